"""Scores every pair of a data set with several metrics, continuing where it stopped."""

from __future__ import annotations

import collections
import contextlib
import functools
import math
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from data_pipelines.caching import CachedPairs
from gsn_jax.benchmark.score_store import Column, ScoreStore
from gsn_jax.devices.batches import Images
from gsn_jax.errors import InputError, unexpected
from gsn_jax.metric import Metric
from gsn_jax.scoring import batching
from gsn_jax.scoring.batching import Job
from gsn_jax.scoring.provenance import protocol_text, training_data, version_of

Progress = Callable[[int, int], None]
Decoded = tuple[int, np.ndarray, np.ndarray]

# Pairs that each thread decodes ahead, and bytes of decoded references held for the next pairs.
_AHEAD = 4
_REFERENCE_BYTES = 128 * 2**20


def score_set(
    store: ScoreStore,
    metrics: Sequence[Metric],
    *,
    rescore: bool = False,
    progress: Progress | None = None,
    batch_size: int | None = None,
) -> None:
    """Scores the pairs that the store lacks, and saves each score at once.

    A pair is decoded once for all metrics that lack it, and a reference once for consecutive pairs.
    A pair that cannot be decoded, or that a metric refuses, gets NaN and a line with the reason.
    So does a score that is not finite (PSNR of equal images), because no correlation can use it.

    Args:
        store: the store of the set; it gets a column per metric.
        metrics: the metrics.
        rescore: replace scores of another version or protocol instead of refusing them, and try
            failed pairs again.
        progress: called with (pairs done, pairs in all).
        batch_size: see `gsn_jax.scoring.many_pairs.score_unordered`.

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
    store.save()  # fails before the work if --out cannot be written
    lacking = {
        index: [metric for metric, column in columns if not column.scored[index]]
        for index in missing
    }
    in_batches = batching.wanted(batch_size)
    threads = (os.cpu_count() or 1) if in_batches else 1
    jobs = (
        Job(index, functools.partial(_images, decoded), lacking[index])
        for index, decoded in _decoded(store, missing, threads)
    )
    outcomes = (
        batching.score_in_batches(jobs, len(missing), batch_size)
        if in_batches
        else batching.score_in_turn(jobs)
    )
    try:
        with contextlib.closing(jobs):
            for done, (index, outcome) in enumerate(outcomes):
                if progress is not None:
                    progress(count - len(missing) + done, count)
                for metric in lacking[index]:
                    one = outcome if isinstance(outcome, Exception) else outcome[metric.name]
                    _keep(store.columns[metric.name], index, one)
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


def _decoded(
    store: ScoreStore, indices: Sequence[int], threads: int
) -> Iterator[tuple[int, Future[Decoded]]]:
    """Yields each pair with the future of its images; some pairs are decoded ahead."""
    pairs = CachedPairs(store.judged.source, _REFERENCE_BYTES)
    executor = ThreadPoolExecutor(max_workers=threads)
    try:
        waiting: collections.deque[tuple[int, Future[Decoded]]] = collections.deque()
        for index in indices:
            waiting.append((index, executor.submit(pairs.__getitem__, index)))
            if len(waiting) > _AHEAD * threads:
                yield waiting.popleft()
        while waiting:
            yield waiting.popleft()
    finally:
        executor.shutdown(cancel_futures=True)


def _images(decoded: Future[Decoded]) -> Images:
    return decoded.result()[1:]


def _keep(column: Column, index: int, result: float | Exception) -> None:
    """Records a score, or NaN and the reason if the pair could not be scored."""
    if isinstance(result, Exception):
        known = isinstance(result, InputError)
        column.set(index, math.nan, str(result) if known else unexpected(result))
    else:
        column.set(index, result, "" if math.isfinite(result) else f"the score is {result}")
