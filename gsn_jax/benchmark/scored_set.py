"""A data set with the scores that metrics gave its pairs: what tables and figures are made of."""

from __future__ import annotations

import dataclasses

import numpy as np

from data_pipelines.sources import PairSource


@dataclasses.dataclass(frozen=True)
class MetricScores:
    """What one metric said of every pair of a set.

    Attributes:
        name: the metric's name, e.g. "psnr".
        higher_is_better: direction of its scores.
        values: float64 `(N,)`, NaN where a pair could not be scored.
        errors: pair index to one line saying why its score is missing.
        seconds: time for one pair, decoding excluded; NaN where it was not measured.
        version: of the package, and of the model where there is one.
        trained_on: names of the data that a trained metric was trained on, as far as it tells.
    """

    name: str
    higher_is_better: bool
    values: np.ndarray
    errors: dict[int, str] = dataclasses.field(default_factory=dict)
    seconds: float = float("nan")
    version: str = ""
    trained_on: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class ScoredSet:
    """A data set, or a split of one, with scores.

    Attributes:
        name: e.g. "tid2013_regenerated" or the stem of a pairs table.
        source: the pairs: opinion scores (`source.fields["score"]`, as published; `source.quality`
            in [0, 1], up = better), contents (`reference_id`), types, and the images, decoded when
            asked for.
        metrics: metric name to its scores, in the order asked for.
    """

    name: str
    source: PairSource
    metrics: dict[str, MetricScores]
