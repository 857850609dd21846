"""Statistics of the scores of a sequence of frames."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePath

import numpy as np

from gsn_jax.images.video import is_video
from gsn_jax.metric import Metric
from gsn_jax.scoring.pairs import Pair, ScoredPair


def harmonic_mean(scores: np.ndarray) -> float:
    """The harmonic mean of non-negative scores; 0 if one of them is 0."""
    with np.errstate(divide="ignore"):  # a score of 0, or only infinite ones
        return float(len(scores) / np.sum(1 / scores))


def _percentile(rank: int) -> Callable[[np.ndarray], float]:
    # The score of one frame: interpolation fails on infinite scores (PSNR of equal frames).
    return lambda scores: float(np.percentile(scores, rank, method="inverted_cdf"))


STATISTICS: Mapping[str, Callable[[np.ndarray], float]] = {
    "mean": lambda scores: float(scores.mean()),
    "harmonic_mean": harmonic_mean,
    "min": lambda scores: float(scores.min()),
    "p5": _percentile(5),
    "p50": _percentile(50),
    "p95": _percentile(95),
    "max": lambda scores: float(scores.max()),
}
DEFAULT = "mean"


def of(metric: Metric) -> list[str]:
    """The statistics that a metric's scores can have: distances have no harmonic mean."""
    return [name for name in STATISTICS if metric.higher_is_better or name != "harmonic_mean"]


def key_of(metric: str, statistic: str = DEFAULT) -> str:
    """The name of a statistic of a metric's scores, as in "psnr:p5"."""
    return f"{metric}:{statistic}"


def keys_of(metrics: Sequence[Metric]) -> list[str]:
    """The names of all statistics of several metrics, in order."""
    return [key_of(metric.name, statistic) for metric in metrics for statistic in STATISTICS]


def pool(scored: Sequence[ScoredPair], metrics: Sequence[Metric]) -> list[ScoredPair]:
    """Statistics of the frames of each video, or of the images of each folder.

    Args:
        scored: pairs of frames or images. A sequence is formed by the frames of the same two
            videos, or by the images in the same two folders.
        metrics: the metrics of the scores.

    Returns:
        One pair per sequence that names both videos or folders, with scores under the names of
        `keys_of`. The harmonic mean is left out for distances, for which small values are good, and
        if a score is negative. If pairs could not be scored, the sequence carries the first error,
        and metrics that lack a score have no statistics.
    """
    sequences: dict[tuple[str, str], list[ScoredPair]] = {}
    for item in scored:
        sequences.setdefault(_sequence(item.pair), []).append(item)
    return [
        ScoredPair(
            Pair(*names, None, None),
            {key: value for metric in metrics for key, value in _statistics(items, metric).items()},
            next((item.error for item in items if item.error), ""),
        )
        for names, items in sequences.items()
    ]


def _sequence(pair: Pair) -> tuple[str, str]:
    if pair.distorted_file is not None and is_video(pair.distorted_file):
        return pair.reference.rpartition("#")[0], pair.distorted.rpartition("#")[0]
    folders = (os.fspath(PurePath(name).parent) for name in (pair.reference, pair.distorted))
    return next(folders), next(folders)


def _statistics(items: Sequence[ScoredPair], metric: Metric) -> dict[str, float]:
    scores = np.array([item.scores.get(metric.name, np.nan) for item in items])
    if np.isnan(scores).any():
        return {}
    return {
        key_of(metric.name, name): STATISTICS[name](scores)
        for name in of(metric)
        if name != "harmonic_mean" or scores.min() >= 0
    }
