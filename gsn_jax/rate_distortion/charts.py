"""Charts of curves as inline SVG: every point shows its values on hover, focus or touch."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from gsn_jax.rate_distortion.comparison import MetricView
from gsn_jax.rate_distortion.deltas import log_rate_curve
from gsn_jax.rate_distortion.text import fixed

WIDTH, HEIGHT = 560, 360
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 12, 12, 44
_TIP = 200, 70
_COLOURS = 6


def chart(view: MetricView, *, images: bool) -> dict[str, Any]:
    """The template's values of a chart of one metric.

    Args:
        view: curves of the metric.
        images: draw the curve of every photograph behind the means.
    """
    # The places of all codecs, also of those without a curve, as in the legend.
    curves = [
        (place, codec, curve)
        for place, (codec, curve) in enumerate(view.means.items())
        if len(curve.rates)
    ]
    behind = [
        (place, curve)
        for place, codec, _ in curves
        for curve in view.by_image[codec].values()
        if images and len(curve.rates) > 1
    ]
    every = [*(curve for *_, curve in curves), *(curve for _, curve in behind)]
    if not every:
        return {"metric": view.name, "series": []}
    rates = np.concatenate([curve.rates for curve in every])
    scores = np.concatenate([curve.scores for curve in every])
    x_low, x_high = math.log2(rates.min() / 1.05), math.log2(rates.max() * 1.05)
    margin = 0.04 * (np.ptp(scores) or 1)
    y_low, y_high = scores.min() - margin, scores.max() + margin

    def x(rate: float) -> float:
        share = (math.log2(rate) - x_low) / (x_high - x_low)
        return round(_LEFT + share * (WIDTH - _LEFT - _RIGHT), 1)

    def y(score: float) -> float:
        share = (score - y_low) / (y_high - y_low)
        return round(HEIGHT - _BOTTOM - share * (HEIGHT - _TOP - _BOTTOM), 1)

    def path(xs: Any, ys: Any) -> str:
        return "M" + "L".join(f"{x(a)} {y(b)}" for a, b in zip(xs, ys, strict=True))

    def line(curve: Any) -> str:
        if curve.problem:
            return path(curve.rates, curve.scores)
        return path(*log_rate_curve(curve, higher_is_better=view.higher_is_better))

    series: list[dict[str, Any]] = [
        {
            "codec": codec,
            "style": _style(place),
            "path": line(curve),
            "points": [
                {
                    "x": x(rate),
                    "y": y(score),
                    "tip_x": min(max(x(rate) - _TIP[0] / 2, 0), WIDTH - _TIP[0]),
                    "tip_y": y(score) - _TIP[1] - 10 if y(score) > _TIP[1] + 12 else y(score) + 10,
                    "front": setting in view.front[codec],
                    "lines": [
                        f"{codec} {setting}",
                        f"{rate:.3f} bits per pixel",
                        f"{view.name} {score:.4g}",
                    ],
                }
                for rate, score, setting in zip(
                    curve.rates, curve.scores, curve.settings, strict=True
                )
            ],
        }
        for place, codec, curve in curves
    ]
    _add_reach([point for item in series for point in item["points"]])
    return {
        "metric": view.name,
        "series": series,
        "behind": [
            {"style": _style(place), "path": path(curve.rates, curve.scores)}
            for place, curve in behind
        ],
        "x_ticks": [(x(value), f"{value:.3g}") for value in _powers(x_low, x_high)],
        "y_ticks": [(y(value), label) for value, label in _round_values(y_low, y_high)],
        "width": WIDTH,
        "height": HEIGHT,
        "left": _LEFT,
        "bottom": HEIGHT - _BOTTOM,
        "right": WIDTH - _RIGHT,
        "top": _TOP,
        "tip": _TIP,
    }


def _add_reach(points: Sequence[dict[str, Any]]) -> None:
    """Sets the radius in which a pointer shows a point's values, smaller near other points."""
    for point in points:
        others = (math.dist(_place(point), _place(p)) for p in points if p is not point)
        point["reach"] = round(min(max(min(others, default=20.0) / 2, 4.0), 10.0), 1)


def _place(point: dict[str, Any]) -> tuple[float, float]:
    return point["x"], point["y"]


def _powers(low: float, high: float) -> list[float]:
    """Powers of two within the range, with half exponents too if the range is short."""
    step = 1.0 if high - low > 3 else 0.5
    first = math.ceil(low / step)
    return [2.0 ** (step * k) for k in range(first, math.floor(high / step) + 1)]


def _round_values(low: float, high: float) -> list[tuple[float, str]]:
    """About five round values within the range, as numbers and as texts of equal precision."""
    step = 10.0 ** math.floor(math.log10((high - low) / 4))
    step *= max((k for k in (1, 2, 5) if k * step <= (high - low) / 4), default=1)
    digits = max(0, -math.floor(math.log10(step)))
    places = range(math.ceil(low / step), math.floor(high / step) + 1)
    return [(step * k, fixed(step * k, digits)) for k in places]


def legend(codecs: Iterable[str]) -> list[tuple[str, str]]:
    """CSS classes of the line, and name, of every codec."""
    return [(_style(place), codec) for place, codec in enumerate(codecs)]


def _style(place: int) -> str:
    """The CSS classes of a codec: six colours, then the same colours with dashed lines."""
    return f"s{place % _COLOURS}" + " dashed" * (place >= _COLOURS)
