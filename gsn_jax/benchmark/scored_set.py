"""A data set with the scores of metrics: the input of tables and figures."""

from __future__ import annotations

import dataclasses

import numpy as np

from data_pipelines.sources import PairSource
from gsn_jax import agreement
from gsn_jax.errors import counted


@dataclasses.dataclass(frozen=True)
class MetricScores:
    """The scores of one metric for every pair of a set.

    Attributes:
        name: the metric's name, e.g. "psnr".
        higher_is_better: direction of its scores.
        values: float64 `(N,)`; NaN for pairs that could not be scored.
        errors: pair index to one line on why its score is missing.
        seconds: time for one pair without decoding; NaN if not measured.
        version: version of the package, and of the model if there is one.
        trained_on: names of a trained metric's training data, if known.
        protocol: what the metric saw of the images, such as "luma studio"; "" for all of them.
    """

    name: str
    higher_is_better: bool
    values: np.ndarray
    errors: dict[int, str] = dataclasses.field(default_factory=dict)
    seconds: float = float("nan")
    version: str = ""
    trained_on: tuple[str, ...] = ()
    protocol: str = ""


@dataclasses.dataclass(frozen=True)
class ScoredSet:
    """A data set, or a split of one, with scores.

    Attributes:
        name: e.g. "tid2013_regenerated" or the stem of a pairs table.
        source: the pairs with their opinion scores (`source.fields["score"]` as published;
            `source.quality` in [0, 1], up = better), contents (`reference_id`) and types.
        metrics: metric name to its scores, in the requested order.
    """

    name: str
    source: PairSource
    metrics: dict[str, MetricScores]

    @property
    def size(self) -> str:
        """Numbers of pairs and contents, such as "323 pairs of 7 contents"."""
        pairs, contents = len(self.source), len(set(self.source.reference_ids))
        return f"{counted(pairs, 'pair')} of {counted(contents, 'content')}"

    @property
    def has_scores(self) -> bool:
        """Whether any metric has a finite score for any pair."""
        return any(np.isfinite(metric.values).any() for metric in self.metrics.values())


def protocol_notes(scored: ScoredSet) -> list[str]:
    """A line for each protocol, with the metrics that follow it; none without protocols."""
    names: dict[str, list[str]] = {}
    for metric in scored.metrics.values():
        if metric.protocol:
            names.setdefault(metric.protocol, []).append(metric.name)
    return [f"Scored with {protocol}: {', '.join(group)}." for protocol, group in names.items()]


def scores_fall(source: PairSource) -> bool:
    """Whether a larger opinion score means worse quality (DMOS)."""
    if len(source) < 2:
        return False
    return agreement.srcc(source.fields["score"], source.quality) < 0  # NaN for constants
