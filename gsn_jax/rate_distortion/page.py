"""Writes the page of `gsn rd --report`: one self-contained HTML file without scripts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gsn_jax.benchmark.report import pages
from gsn_jax.metric import Metric
from gsn_jax.rate_distortion import disagreements, text
from gsn_jax.rate_distortion.charts import chart, legend
from gsn_jax.rate_distortion.comparison import Comparison
from gsn_jax.rate_distortion.examples import example_rows
from gsn_jax.rate_distortion.opinions import Verdict


def write_page(
    comparison: Comparison,
    folder: Path,
    metrics: Mapping[str, Metric],
    verdict: Verdict | None = None,
) -> Path:
    """Writes `folder/index.html`.

    Args:
        comparison: what is shown.
        folder: made if it is missing.
        metrics: name to metric, for quality maps.
        verdict: BD-rates by opinion scores, if known.

    Returns:
        The path of the page.

    Raises:
        InputError: a package is missing, or the page cannot be written.
    """
    pages.check_installed("rd")
    return pages.write_page(
        folder,
        "rd.html",
        _view(comparison, metrics, verdict),
        styles=["report.css", "rd.css"],
        package="gsn_jax.rate_distortion",
    )


def _view(
    comparison: Comparison, metrics: Mapping[str, Metric], verdict: Verdict | None
) -> dict[str, Any]:
    names = list(comparison.metrics)
    focus = "gsn" if "gsn" in names else names[0]
    views = comparison.metrics.values()
    tables = text.tables(comparison)
    if verdict is not None:
        tables.append(text.opinion_table(verdict))
    if comparison.times:
        tables.append(text.time_table(comparison))
    return {
        "title": f"Rate and distortion: {', '.join(comparison.study.codecs)}",
        "anchor": comparison.anchor,
        "codecs": comparison.study.codecs,
        "images": len(comparison.study.images),
        "files": len(comparison.study.encodings),
        "legend": legend(comparison.study.codecs),
        "charts": [
            {
                "higher": view.higher_is_better,
                "mean": chart(view, images=False),
                "all": chart(view, images=True),
            }
            for view in views
        ],
        "headlines": list(text.sentences(comparison)),
        "tables": tables,
        "example": example_rows(comparison, metrics, focus),
        "disagreements": disagreements.disagreements(comparison),
        "widest": disagreements.widest(comparison),
    }
