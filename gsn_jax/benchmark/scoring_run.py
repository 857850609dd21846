"""Scoring every pair of a data set with several metrics, continued where it stopped."""

from __future__ import annotations

import collections
import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from data_pipelines.caching import CachedPairs
from gsn_jax.benchmark.score_store import Column, ScoreStore
from gsn_jax.errors import InputError
from gsn_jax.metric import Metric
from gsn_jax.scoring.provenance import protocol_text, training_data, version_of

Progress = Callable[[int, int], None]
Decoded = tuple[int, np.ndarray, np.ndarray]

# Pairs that are decoded ahead, and bytes of decoded references held for the next pairs.
_AHEAD = 4
_REFERENCE_BYTES = 128 * 2**20


def score_set(
    store: ScoreStore,
    metrics: Sequence[Metric],
    *,
    rescore: bool = False,
    progress: Progress | None = None,
) -> None:
    """Scores the pairs that the store lacks, and keeps each score at once.

    A pair is decoded once for all metrics that lack it, and a reference once for consecutive pairs.
    A pair that cannot be decoded, or that a metric refuses, gets NaN and a line with the reason.
    So does a score that is not finite (PSNR of equal images), because no correlation can use it.

    Args:
        store: of the set; it gets a column per metric.
        metrics: what to score with.
        rescore: score again where the store's scores are another version's, instead of refusing.
        progress: called with (pairs done, pairs in all).

    Raises:
        InputError: see `ScoreStore.require` and `ScoreStore.save`.
    """
    for metric in metrics:
        store.require(
            metric.name,
            metric.higher_is_better,
            version_of(metric),
            training_data(metric),
            protocol_text(metric),
            rescore=rescore,
        )
    columns = [(metric, store.columns[metric.name]) for metric in metrics]
    missing = _missing(store, [column for _, column in columns])
    count = len(store.judged.source)
    if not missing:
        return
    store.save()  # reports now, before the work, that --out cannot be written
    try:
        for done, (index, decoded) in enumerate(_decoded(store, missing)):
            if progress is not None:
                progress(count - len(missing) + done, count)
            _score_pair(index, decoded, columns)
            store.keep(index)
    finally:
        store.save()
    if progress is not None:
        progress(count, count)


def _missing(store: ScoreStore, columns: Sequence[Column]) -> list[int]:
    """Pairs that some column lacks, with pairs of the same reference together."""
    source = store.judged.source
    lacking = ~np.all([column.scored for column in columns], axis=0)
    first: dict[object, int] = {}
    order = [first.setdefault(source.reference_key(i), i) for i in range(len(source))]
    return sorted(np.flatnonzero(lacking).tolist(), key=lambda index: (order[index], index))


def _decoded(store: ScoreStore, indices: Sequence[int]) -> Iterator[tuple[int, Future[Decoded]]]:
    """Each pair with the future of its images; some pairs are decoded ahead."""
    pairs = CachedPairs(store.judged.source, _REFERENCE_BYTES)
    executor = ThreadPoolExecutor(max_workers=1)
    try:
        waiting: collections.deque[tuple[int, Future[Decoded]]] = collections.deque()
        for index in indices:
            waiting.append((index, executor.submit(pairs.__getitem__, index)))
            if len(waiting) > _AHEAD:
                yield waiting.popleft()
        while waiting:
            yield waiting.popleft()
    finally:
        executor.shutdown(cancel_futures=True)


def _score_pair(
    index: int, decoded: Future[Decoded], columns: Sequence[tuple[Metric, Column]]
) -> None:
    wanted = [(metric, column) for metric, column in columns if not column.scored[index]]
    try:
        _, reference, distorted = decoded.result()
    except InputError as error:
        for _, column in wanted:
            column.set(index, math.nan, str(error))
        return
    for metric, column in wanted:
        try:
            value = float(metric(reference, distorted))
        except InputError as error:
            column.set(index, math.nan, str(error))
            continue
        column.set(index, value, "" if math.isfinite(value) else f"the score is {value}")
