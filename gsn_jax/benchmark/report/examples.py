"""Chooses the pairs in a report: the worst disagreements with people, and the visual comparison."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from scipy import stats

from gsn_jax import agreement
from gsn_jax.benchmark.scored_set import MetricScores, ScoredSet

# The metrics of the poster's visual result, each with its alternative names.
POSTER_METRICS = (("psnr",), ("ssim",), ("ms_ssim",), ("lpips_alex", "lpips_vgg"), ("gsn",))


@dataclasses.dataclass(frozen=True)
class Disagreement:
    """A pair on which a metric disagrees with people.

    Attributes:
        index: index of the pair in its source.
        value: the metric's score.
        fitted: the score mapped to the scale of the opinion scores.
        score: the published opinion score.
    """

    index: int
    value: float
    fitted: float
    score: float


@dataclasses.dataclass(frozen=True)
class Strip:
    """Distorted versions of one reference, sorted by opinion score, the best first.

    Attributes:
        indices: the pairs.
        score_ranks: rank of each opinion score, 1 = best.
        ranks: metric name to the rank of each of its scores, 1 = best; None for missing scores.
    """

    indices: list[int]
    score_ranks: list[int | None]
    ranks: dict[str, list[int | None]]


def usable(scores: MetricScores) -> np.ndarray:
    """Mask of the pairs with a finite score, bool `(N,)`."""
    return np.isfinite(scores.values)


def worst_disagreements(scored: ScoredSet, metric: str, count: int) -> list[Disagreement]:
    """The `count` pairs whose fitted score is farthest from the opinion score, farthest first."""
    values = scored.metrics[metric].values
    rows = np.flatnonzero(usable(scored.metrics[metric]))
    if len(rows) < 2:
        return []
    scores = scored.source.fields["score"][rows]
    fitted = agreement.logistic_fit(values[rows], scores)(values[rows])
    order = np.argsort(-np.abs(fitted - scores), kind="stable")[:count]
    return [
        Disagreement(int(rows[i]), float(values[rows[i]]), float(fitted[i]), float(scores[i]))
        for i in order
    ]


def poster_metrics(scored: ScoredSet, focus: str) -> list[str]:
    """The poster's metrics that have scores, and `focus`."""
    names = [
        next(name for name in names if name in scored.metrics)
        for names in POSTER_METRICS
        if any(name in scored.metrics for name in names)
    ]
    return names if focus in names else [*names, focus]


def visual_strip(scored: ScoredSet, focus: str, count: int) -> Strip:
    """Versions of one reference, spread evenly over its opinion scores.

    The reference is typical of the metric `focus`, not a flattering example: among those with
    enough versions, it has the median rank correlation.
    """
    rows = _typical_reference(scored, focus, count)
    quality = scored.source.quality[rows]
    ordered = rows[np.argsort(-quality, kind="stable")]
    chosen = ordered[np.unique(np.linspace(0, len(ordered) - 1, count).round().astype(int))]
    return Strip(
        indices=chosen.tolist(),
        score_ranks=_ranks(scored.source.quality[chosen], higher_is_better=True),
        ranks={
            name: _ranks(metric.values[chosen], higher_is_better=metric.higher_is_better)
            for name, metric in scored.metrics.items()
        },
    )


def _typical_reference(scored: ScoredSet, focus: str, count: int) -> np.ndarray:
    source, metric = scored.source, scored.metrics[focus]
    groups: dict[object, list[int]] = {}
    for index in range(len(source)):
        groups.setdefault(source.reference_key(index), []).append(index)
    members = [np.asarray(group) for group in groups.values()]
    enough = min(count, max(len(group) for group in members))
    members = [group for group in members if len(group) >= enough]
    finite = [group[usable(metric)[group]] for group in members]
    correlations = [_srcc(metric.values[group], source.quality[group]) for group in finite]
    known = [i for i, value in enumerate(correlations) if np.isfinite(value)]
    if not known:
        return members[0]
    known.sort(key=lambda i: abs(correlations[i]))
    return members[known[len(known) // 2]]


def _srcc(values: np.ndarray, quality: np.ndarray) -> float:
    return agreement.srcc(values, quality) if len(values) >= 2 else float("nan")


def _ranks(values: Sequence[float] | np.ndarray, *, higher_is_better: bool) -> list[int | None]:
    """Ranks, 1 = best; equal values share the better rank, missing values have None."""
    values = np.asarray(values, np.float64)
    keys = np.where(np.isnan(values), np.inf, -values if higher_is_better else values)
    ranks = stats.rankdata(keys, method="min")
    return [
        None if np.isnan(value) else int(rank) for value, rank in zip(values, ranks, strict=True)
    ]
