"""Measures the time that a metric takes for one pair."""

from __future__ import annotations

import collections
import math
import statistics
import time
from collections.abc import Sequence

import numpy as np

from data_pipelines.sources import PairSource
from gsn_jax.errors import InputError
from gsn_jax.metric import Metric


def seconds_per_pair(metrics: Sequence[Metric], source: PairSource, pairs: int = 5) -> list[float]:
    """Median seconds of one call on images of the set's most frequent size.

    Decoding and compilation are not timed. The metrics take turns, so that a slow moment of the
    machine affects all of them.

    Args:
        metrics: the metrics to time.
        source: the set, over which the pairs are spread evenly.
        pairs: number of pairs; 0 measures nothing.

    Returns:
        Seconds per metric; NaN if nothing was measured or the metric rejects such images.
    """
    if pairs == 0 or not metrics:
        return [math.nan] * len(metrics)
    decoded = _decode(source, pairs)
    if not decoded:
        return [math.nan] * len(metrics)
    taken: list[list[float]] = [[] for _ in metrics]
    for number in range(-1, len(decoded)):  # the first turn compiles
        for metric, seconds in zip(metrics, taken, strict=True):
            start = time.perf_counter()
            try:
                np.asarray(metric(*decoded[max(number, 0)]))
            except InputError:
                continue
            if number >= 0:
                seconds.append(time.perf_counter() - start)
    return [statistics.median(seconds) if seconds else math.nan for seconds in taken]


def _decode(source: PairSource, pairs: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Decodes pairs of one size and skips broken ones."""
    sizes = collections.Counter(source.image_size(index) for index in range(len(source)))
    size = sizes.most_common(1)[0][0]
    members = [index for index in range(len(source)) if source.image_size(index) == size]
    chosen = np.linspace(0, len(members) - 1, min(pairs, len(members))).round().astype(int)
    decoded: list[tuple[np.ndarray, np.ndarray]] = []
    for position in chosen:
        try:
            pair = source[members[position]]
        except InputError:
            continue
        if not decoded or decoded[0][0].shape == pair["reference"].shape:
            decoded.append((pair["reference"], pair["distorted"]))
    return decoded
