"""Lists the modules of all metrics on the API page, so that a new metric needs no entry there."""

from __future__ import annotations

from pathlib import Path

_MARK = "<!-- modules of the metrics -->"


def on_page_markdown(markdown: str, **_: object) -> str:
    """Replaces the mark by one reference per module."""
    modules = sorted(Path("gsn_jax/metrics").glob("_[a-z]*.py"))
    references = "\n\n".join(f"::: gsn_jax.metrics.{module.stem}" for module in modules)
    return markdown.replace(_MARK, references)
