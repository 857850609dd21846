"""Prepares the values for the template of a report: plain values and data URIs."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gsn_jax import agreement
from gsn_jax.benchmark.agreement_rows import Agreement, Judged
from gsn_jax.benchmark.report import pictures
from gsn_jax.benchmark.report.examples import (
    poster_metrics,
    visual_strip,
    worst_disagreements,
)
from gsn_jax.benchmark.report.figures import bars_svg, scatter_svg
from gsn_jax.benchmark.scored_set import MetricScores, ScoredSet, scores_fall
from gsn_jax.errors import InputError
from gsn_jax.metric import Metric
from gsn_jax.scoring.by_name import resolve
from gsn_jax.scoring.provenance import version_of

# Number of examples per set. As pictures have a bounded size, this bounds the page.
WORST = 6
VERSIONS = 8


def set_view(
    number: int, judged: Judged, focus: str | None, metrics: Mapping[str, Metric]
) -> dict[str, Any]:
    """The template's values for one set.

    Args:
        number: number of the set on the page, from 1.
        judged: the set and its numbers.
        focus: see `document.write_report`; a set without it uses its own default.
        metrics: see `document.write_report`.
    """
    scored = judged.scored
    if focus is None or focus not in scored.metrics:
        focus = "gsn" if "gsn" in scored.metrics else next(iter(scored.metrics))
    return {
        "key": f"set-{number}",
        "name": scored.name,
        "pairs": len(scored.source),
        "size": scored.size,
        "better": "lower" if scores_fall(scored.source) else "higher",
        "focus": focus,
        "against": judged.against if judged.differences else "",
        "noted": any(item.notes for item in judged.overall.values()),
        "rows": _agreement_rows(judged),
        "failures": _failures(scored),
        "scatter": _scatter_plots(judged),
        **_types(judged),
        "versions": _versions(scored),
        "worst": _worst(scored, focus, metrics.get(focus) or _resolved(scored.metrics[focus])),
        "strip": _strip(scored, focus),
    }


def _agreement_rows(judged: Judged) -> list[dict[str, Any]]:
    columns = {"plcc": True, "srcc": True, "krcc": True, "rmse": False, "main_score": True}
    places = {
        # After the fit, even a metric that contradicts people may have a good number.
        column: _places(
            [
                math.nan if item.wrong_direction else getattr(item, column)
                for item in judged.overall.values()
            ],
            high,
        )
        for column, high in columns.items()
    }
    return [
        {
            "name": name,
            "higher": judged.scored.metrics[name].higher_is_better,
            "agreement": item,
            "interval": item.intervals.get("srcc", (math.nan, math.nan)),
            "significance": judged.significance(name),
            "places": {column: places[column][i] for column in columns},
        }
        for i, (name, item) in enumerate(judged.overall.items())
    ]


def _places(values: Sequence[float], higher_is_better: bool) -> list[int | None]:
    """1 for the best number of a column, 2 for the second best, None for others."""
    shown = [round(value, 3) for value in values]
    order = sorted({value for value in shown if not np.isnan(value)}, reverse=higher_is_better)
    top = dict(zip(order[:2], (1, 2), strict=False)) if len(shown) > 1 else {}
    return [top.get(value) for value in shown]


def _versions(scored: ScoredSet) -> list[tuple[str, list[str]]]:
    """Versions that computed the scores, with the names of their metrics."""
    names: dict[str, list[str]] = {}
    for metric in scored.metrics.values():
        if metric.version:
            names.setdefault(metric.version, []).append(metric.name)
    return list(names.items())


def _failures(scored: ScoredSet) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "count": int(np.sum(~np.isfinite(metric.values))),
            "reason": next(iter(metric.errors.values()), "no finite score"),
        }
        for name, metric in scored.metrics.items()
        if not np.isfinite(metric.values).all()
    ]


def _scatter_plots(judged: Judged) -> list[dict[str, Any]]:
    scores = judged.scored.source.fields["score"]
    return [
        {
            "name": name,
            "agreement": item,
            "range": _span(scores),
            "uri": _scatter_uri(item, judged.scored.metrics[name].values, scores),
        }
        for name, item in judged.overall.items()
        if item.pairs >= 2
    ]


def _scatter_uri(item: Agreement, values: np.ndarray, scores: np.ndarray) -> str:
    rows = np.isfinite(values)
    values, scores = values[rows], scores[rows]
    fit = agreement.logistic_fit(values, scores)
    return _svg_uri(scatter_svg(values, scores, fit, x_label=item.metric, y_label="opinion score"))


def _types(judged: Judged) -> dict[str, Any]:
    """SRCC per type as a table and bars; empty for fewer than two types."""
    if len(judged.types) < 2:
        return {"type_rows": [], "type_bars": []}
    by_metric = {
        name: {kind: found[name].srcc for kind, found in judged.types.items()}
        for name in judged.overall
    }
    low = np.nanmin([0.0, *(v for column in by_metric.values() for v in column.values())])
    bars = [
        {
            "name": name,
            **_extremes(column),
            "uri": _svg_uri(bars_svg(column, low=low, x_label="SRCC")),
        }
        for name, column in by_metric.items()
    ]
    rows = [
        {
            "name": kind,
            "pairs": max(item.pairs + item.left_out for item in found.values()),
            "values": [item.srcc for item in found.values()],
        }
        for kind, found in judged.types.items()
    ]
    return {"type_rows": rows, "type_bars": bars}


def _extremes(values: Mapping[str, float]) -> dict[str, Any]:
    known = {name: value for name, value in values.items() if np.isfinite(value)}
    if not known:
        return {"highest": None, "lowest": None}
    return {
        key: choose(known.items(), key=lambda item: item[1])
        for key, choose in (("highest", max), ("lowest", min))
    }


def _worst(scored: ScoredSet, focus: str, metric: Metric | None) -> dict[str, Any]:
    """The worst disagreements as triples; a pair that cannot be decoded has numbers only."""
    shown = []
    for item in worst_disagreements(scored, focus, WORST):
        pair = _decoded(scored, item.index)
        local = None if pair is None else _quality_map(metric, pair)
        shown.append((item, pair, local))
    maps = [local for _, _, local in shown if local is not None]
    low = min((float(local.min()) for local in maps), default=0.0)
    high = max((float(local.max()) for local in maps), default=1.0)
    higher = scored.metrics[focus].higher_is_better
    triples = [
        {
            **dataclasses.asdict(item),
            **_labels(scored, item.index),
            "too_good": (item.fitted > item.score) != scores_fall(scored.source),
            "reference": pair and pictures.picture(pair["reference"]),
            "distorted": pair and pictures.picture(pair["distorted"]),
            "map_low": None if local is None else float(local.min()),
            "map_high": None if local is None else float(local.max()),
            "map": None
            if local is None or pair is None
            else pictures.map_picture(
                local, pair["reference"].shape[:2], low=low, high=high, higher_is_better=higher
            ),
        }
        for item, pair, local in shown
    ]
    bar = pictures.colour_bar(higher) if maps else None
    return {"triples": triples, "bar": bar, "low": low, "high": high}


def _strip(scored: ScoredSet, focus: str) -> dict[str, Any]:
    strip = visual_strip(scored, focus, VERSIONS)
    pairs = [_decoded(scored, index) for index in strip.indices]
    reference = next((pair["reference"] for pair in pairs if pair is not None), None)
    names = poster_metrics(scored, focus)
    return {
        "reference": None if reference is None else pictures.picture(reference),
        "reference_name": str(scored.source.fields["reference"][strip.indices[0]]),
        "versions": [
            {
                **_labels(scored, index),
                "picture": pair and pictures.picture(pair["distorted"]),
                "score": float(scored.source.fields["score"][index]),
                "rank": rank,
            }
            for index, pair, rank in zip(strip.indices, pairs, strip.score_ranks, strict=True)
        ],
        "rows": [
            {
                "name": name,
                "higher": scored.metrics[name].higher_is_better,
                "values": [float(scored.metrics[name].values[index]) for index in strip.indices],
                "ranks": strip.ranks[name],
            }
            for name in names
        ],
    }


def _labels(scored: ScoredSet, index: int) -> dict[str, Any]:
    fields = scored.source.fields
    return {
        "file": Path(str(fields["distorted"][index])).name,
        "type": str(fields["distortion_type"][index]),
        "level": int(fields["distortion_level"][index]),
    }


def _decoded(scored: ScoredSet, index: int) -> dict[str, Any] | None:
    try:
        return scored.source[index]
    except InputError:
        return None


def _resolved(scores: MetricScores) -> Metric | None:
    """The metric that computed the scores; None if it is unavailable or now another model."""
    try:
        metric = resolve(scores.name)
        own = version_of(metric)
    except InputError:
        return None
    if scores.protocol:  # the map would ignore the protocol
        return None
    return metric if own in scores.version or not scores.version else None


def _quality_map(metric: Metric | None, pair: Mapping[str, Any]) -> np.ndarray | None:
    if metric is None or not metric.has_map:
        return None
    try:
        local = np.asarray(metric.quality_map(pair["reference"], pair["distorted"]), np.float32)
    except InputError:
        return None
    return local if np.isfinite(local).all() else None


def _span(values: np.ndarray) -> tuple[float, float]:
    return float(values.min()), float(values.max())


def _svg_uri(svg: str) -> str:
    return pictures.data_uri(svg.encode(), "image/svg+xml")
