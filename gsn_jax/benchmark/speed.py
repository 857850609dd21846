"""Seconds that a metric takes for one pair."""

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
    """Median seconds of one call on decoded images of the set's most frequent size.

    Nothing else runs meanwhile: the pairs are decoded before, and each metric has compiled for
    the size. The metrics take turns, so that a slow moment of the machine meets all of them.

    Args:
        metrics: what to time.
        source: where the pairs are taken from, evenly over the set.
        pairs: how many; 0 measures nothing.

    Returns:
        Seconds per metric; NaN where nothing was measured or the metric refuses such images.
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
    """Decoded pairs of one size; broken ones are passed over."""
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
