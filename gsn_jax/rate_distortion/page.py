"""Writes the page of `gsn rd --report`: one self-contained HTML file without scripts."""

from __future__ import annotations

import base64
import hashlib
import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from data_pipelines.image_writing import write_text
from gsn_jax._version import __version__
from gsn_jax.errors import InputError
from gsn_jax.metric import Metric
from gsn_jax.rate_distortion import disagreements, text
from gsn_jax.rate_distortion.charts import chart, legend
from gsn_jax.rate_distortion.comparison import Comparison
from gsn_jax.rate_distortion.examples import example_rows
from gsn_jax.rate_distortion.opinions import Verdict
from gsn_jax.rate_distortion.scoring import writing


def check_installed() -> None:
    """Raises `InputError` if a package for the page is missing, before work that needs it."""
    absent = [name for name in ("jinja2", "matplotlib") if importlib.util.find_spec(name) is None]
    if absent:
        raise InputError(f"--report needs {' and '.join(absent)}; run: pip install 'gsn_jax[rd]'")


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
        verdict: what people say of the settings, if known.

    Returns:
        The path of the page.

    Raises:
        InputError: a package is missing, or the page cannot be written.
    """
    check_installed()
    import jinja2
    from markupsafe import Markup

    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader(
            [
                jinja2.PackageLoader("gsn_jax.rate_distortion"),
                jinja2.PackageLoader("gsn_jax.benchmark.report"),
            ]
        ),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = "\n".join(environment.get_template(name).render() for name in ("report.css", "rd.css"))
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    page = environment.get_template("rd.html").render(
        style=Markup(style),
        style_hash=digest,
        version=__version__,
        **_view(comparison, metrics, verdict),
    )
    target = folder / "index.html"
    with writing(target):
        folder.mkdir(parents=True, exist_ok=True)
        write_text(target, page)
    return target


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
        "anchor": comparison.anchor,
        "codecs": comparison.study.codecs,
        "images": len(comparison.study.images),
        "files": len(comparison.study.encodings),
        "legend": legend(dict.fromkeys(comparison.study.codecs)),
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
