"""Draws the plots of a report as SVG text that follows the browser's light or dark mode."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import matplotlib
import numpy as np
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from gsn_jax.agreement import LogisticFit

# Okabe and Ito's blue and vermilion: distinct for colour-blind readers, with a contrast above 3 : 1
# on both backgrounds of the page.
_POINTS, _CURVE = "#2585cc", "#d9630d"

# Placeholder for the colour of lines and text, which is replaced by the theme's.
_INK = "#010203"
_THEME = (
    "<style>svg{color:#1d232b}@media(prefers-color-scheme:dark){svg{color:#e3e7ec}}</style></defs>"
)

# More points are drawn as one bitmap, which bounds the size of a plot.
_MAX_VECTOR_POINTS = 300

_SETTINGS: Any = {  # matplotlib's stubs want each key's own type
    "svg.fonttype": "none",
    "svg.hashsalt": "gsn_jax",
    "font.family": ["sans-serif"],
    "font.sans-serif": ["DejaVu Sans"],  # the default lists a dozen in every label
    "font.size": 8,
    "text.parse_math": False,  # names may hold `$`, which would begin a formula
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "axes.edgecolor": _INK,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.facecolor": "none",
    "xtick.color": _INK,
    "ytick.color": _INK,
    "grid.color": _INK,
    "grid.alpha": 0.15,
    "grid.linewidth": 0.5,
    "savefig.transparent": True,
}


def scatter_svg(
    values: np.ndarray, scores: np.ndarray, fit: LogisticFit, *, x_label: str, y_label: str
) -> str:
    """A metric's scores `(N,)` against opinion scores `(N,)`, with the fitted curve."""
    with matplotlib.rc_context(_SETTINGS):
        figure, axes = _axes(3.0, 2.4)
        size = float(np.clip(4000 / len(values), 2.5, 14))
        axes.scatter(
            values,
            scores,
            s=size,
            c=_POINTS,
            alpha=0.7,
            linewidths=0,
            rasterized=len(values) > _MAX_VECTOR_POINTS,
        )
        grid = np.linspace(values.min(), values.max(), 80)
        axes.plot(grid, fit(grid), color=_CURVE, linewidth=1.8)
        axes.set(xlabel=x_label, ylabel=y_label)
        axes.locator_params(nbins=5)
        axes.grid(True)
        return _svg(figure)


def bars_svg(values: Mapping[str, float], *, low: float, x_label: str) -> str:
    """One horizontal bar per name on an axis from `low` to 1; NaN is shown as text."""
    with matplotlib.rc_context(_SETTINGS):
        figure, axes = _axes(3.0, 0.55 + 0.145 * len(values))
        names = list(values)
        lengths = np.asarray([values[name] for name in names])
        known = np.isfinite(lengths)
        axes.barh(np.arange(len(names)), np.where(known, lengths, 0), height=0.72, color=_POINTS)
        for row in np.flatnonzero(~known).tolist():
            axes.text(0.02, row, "no value", va="center", fontsize=7)
        axes.set_yticks(np.arange(len(names)), names)
        axes.tick_params(axis="y", length=0, labelsize=7)
        axes.set(xlabel=x_label, xlim=(low, 1), ylim=(len(names) - 0.4, -0.6))
        axes.axvline(0, color=_INK, linewidth=0.6)
        axes.grid(True, axis="x")
        axes.set_axisbelow(True)
        return _svg(figure)


def _axes(width: float, height: float) -> tuple[Figure, matplotlib.axes.Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasSVG(figure)
    return figure, figure.add_subplot()


def _svg(figure: Figure) -> str:
    buffer = io.StringIO()
    figure.savefig(
        buffer, format="svg", dpi=120, metadata=dict.fromkeys(("Date", "Creator", "Format", "Type"))
    )
    text = buffer.getvalue()
    text = text[text.index("<svg") :]  # without the XML declaration, which names a DTD
    return text.replace(_INK, "currentColor").replace("</defs>", _THEME, 1)
