"""Writes the report: one self-contained HTML page on how metrics agree with people.

Needs the extra `report` (matplotlib, Jinja2).
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gsn_jax.benchmark.agreement_rows import Judged, judge
from gsn_jax.benchmark.report import pages
from gsn_jax.benchmark.scored_set import ScoredSet
from gsn_jax.errors import InputError
from gsn_jax.metric import Metric


def write_report(
    sets: Sequence[ScoredSet | Judged],
    folder: str | os.PathLike[str],
    *,
    title: str = "Agreement of quality metrics with people",
    focus: str | None = None,
    metrics: Mapping[str, Metric] | None = None,
) -> Path:
    """Writes `folder/index.html`: tables, plots and pictures in one file, without scripts.

    For each set: agreement overall and per distortion type, scores against opinion scores with
    the fitted logistic, the worst disagreements of one metric with its quality maps, and versions
    of one reference sorted by opinion score.

    Args:
        sets: the sets, with or without the numbers of `judge`; pairs without a score (NaN) are left
            out and counted.
        folder: created if it is missing; an older page in it is replaced.
        title: title of the page.
        focus: the metric whose disagreements and maps are shown; by default gsn, or the first
            metric of a set without gsn.
        metrics: name to metric, for quality maps; others are resolved by name, unless the model of
            that name is not the one that computed the scores.

    Returns:
        The path of the page.

    Raises:
        InputError: there is nothing to show, no set has `focus`, the folder cannot be written, or
            the extra is not installed.
    """
    _check([item.scored if isinstance(item, Judged) else item for item in sets], focus)
    pages.check_installed("report")
    target = Path(folder)
    pages.make_folder(target)  # fails before minutes of work
    from gsn_jax.benchmark.report.view import set_view

    views = [
        set_view(number, item if isinstance(item, Judged) else judge(item), focus, metrics or {})
        for number, item in enumerate(sets, start=1)
    ]
    return pages.write_page(
        target,
        "report.html",
        {"title": title, "sets": views},
        styles=["report.css"],
        filters={"number": _number, "breakable": _breakable},
    )


def _check(sets: Sequence[ScoredSet], focus: str | None) -> None:
    if not sets:
        raise InputError("a report needs at least one scored data set")
    for scored in sets:
        if not scored.metrics or len(scored.source) == 0:
            raise InputError(f"{scored.name}: no scores to report; score some pairs first")
    if focus is not None and not any(focus in scored.metrics for scored in sets):
        known = ", ".join(dict.fromkeys(name for scored in sets for name in scored.metrics))
        raise InputError(f"no set has scores of {focus!r}; scored: {known}")


def _number(value: float | None, digits: int = 3) -> str:
    """A number for a table; a dash for NaN."""
    if value is None or np.isnan(value):
        return "–"
    return f"{value:.{digits}f}".replace("-", "−")


def _breakable(name: str) -> Any:
    """A name with possible line breaks after underscores."""
    from markupsafe import Markup, escape

    return escape(name).replace("_", Markup("_<wbr>"))
