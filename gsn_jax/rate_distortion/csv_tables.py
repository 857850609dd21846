"""The numbers of `gsn rd` as CSV tables."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from gsn_jax.rate_distortion.comparison import Comparison
from gsn_jax.rate_distortion.encodings import Study
from gsn_jax.scoring.pairs import shown
from gsn_jax.storage import csv_text


def points(study: Study, folder: Path) -> str:
    """A row per encoding: a pairs table that `gsn rd --pairs` can read.

    Args:
        study: encodings with scores.
        folder: folder of the table. Paths below it are relative to it, others absolute.
    """
    names = list(study.scores)
    header = ["reference", "distorted", "codec", "setting", "bytes", "bpp", *names, "error"]
    rows = [
        [
            _named(item.pair.reference_file, folder) or item.pair.reference,
            _named(item.pair.distorted_file, folder) or item.pair.distorted,
            item.codec,
            item.setting,
            item.size or "",
            item.rate,
            *(study.scores[name][index] for name in names),
            study.errors[index],
        ]
        for index, item in enumerate(study.encodings)
    ]
    return _csv(header, rows)


def _named(file: Path | None, folder: Path) -> str:
    if file is None:
        return ""
    path, above = os.path.abspath(file), os.path.abspath(folder)
    return shown(os.path.relpath(path, above) if Path(path).is_relative_to(above) else path)


def curves(comparison: Comparison) -> str:
    """A row per metric, codec and setting of the mean curves."""
    header = ["metric", "codec", "setting", "bpp", "score", "pareto"]
    rows = [
        [name, codec, setting, rate, score, "yes" if setting in view.front[codec] else "no"]
        for name, view in comparison.metrics.items()
        for codec, curve in view.means.items()
        for rate, score, setting in zip(curve.rates, curve.scores, curve.settings, strict=True)
    ]
    return _csv(header, rows)


def deltas(comparison: Comparison) -> str:
    """A row per metric and codec."""
    columns = ("rate", "rate_akima", "score", "saving")
    titles = {"rate": "bd_rate", "rate_akima": "bd_rate_akima", "score": "bd_score"}
    header = ["metric", "codec", "anchor"]
    for column in columns:
        title = titles.get(column, column)
        header += [title, f"{title}_low", f"{title}_high", f"{title}_images"]
    header += ["saving_at", "anchor_bpp", "codec_bpp", "notes"]
    rows = []
    for item in comparison.against:
        row: list[Any] = [item.metric, item.codec, comparison.anchor]
        for column in columns:
            estimate = getattr(item, column)
            row += [estimate.value, estimate.low, estimate.high, estimate.images]
        notes = "; ".join(f"{count} x {reason}" for reason, count in item.rate.left_out.items())
        rows.append([*row, item.level, item.anchor_rate, item.codec_rate, notes])
    return _csv(header, rows)


def image_deltas(comparison: Comparison) -> str:
    """A row per metric, codec and photograph."""
    header = [
        "metric",
        "codec",
        "anchor",
        "image",
        "bd_rate",
        "bd_rate_akima",
        "bd_score",
        "saving",
    ]
    rows = [
        [
            item.metric,
            item.codec,
            comparison.anchor,
            image,
            *(
                estimate.by_image.get(image, math.nan)
                for estimate in (item.rate, item.rate_akima, item.score, item.saving)
            ),
        ]
        for item in comparison.against
        for image in comparison.study.images
    ]
    return _csv(header, rows)


def times(comparison: Comparison) -> str:
    """A row per codec."""
    header = ["codec", "encode_ms_per_megapixel", "decode_ms_per_megapixel", "files"]
    return _csv(header, [[t.codec, t.encode, t.decode, t.encodings] for t in comparison.times])


def _csv(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Numbers have nine significant digits; NaN is an empty cell."""
    return csv_text([header, *(map(_cell, row) for row in rows)])


def _cell(value: Any) -> Any:
    if isinstance(value, float):  # NumPy's float64 too
        return "" if math.isnan(value) else f"{value:.9g}"
    return value
