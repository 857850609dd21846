"""Batches for evaluation: every pair exactly once, whatever the batch and the processes."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Iterator, Sequence

import grain
import numpy as np

from data_pipelines.caching import CachedPairs
from data_pipelines.loader import (
    CACHE_BYTES,
    Batch,
    check_process,
    default_threads,
    iterate,
)
from data_pipelines.sources import PairSource


@dataclasses.dataclass(frozen=True)
class Step:
    """Which pairs a process loads in one step.

    Attributes:
        indices: `batch_size` pairs of equal size; those beyond the real ones repeat one of them.
        real: how many of them, from the start, count.
    """

    indices: tuple[int, ...]
    real: int


def plan(
    sizes: Sequence[tuple[int, int]], batch_size: int, process_index: int, process_count: int
) -> list[Step]:
    """The steps of one process; all processes have equally many, with equal sizes step by step.

    Args:
        sizes: height and width of each pair.
        batch_size: pairs per step and process.
        process_index: this process.
        process_count: number of processes.
    """
    by_size: dict[tuple[int, int], list[int]] = collections.defaultdict(list)
    for index, size in enumerate(sizes):
        by_size[size].append(index)
    steps = []
    for _, members in sorted(by_size.items()):
        for start in range(0, len(members), batch_size * process_count):
            chunk = members[start : start + batch_size * process_count]
            mine = chunk[process_index::process_count]
            filler = (mine or chunk)[-1]
            indices = mine + [filler] * (batch_size - len(mine))
            steps.append(Step(tuple(indices), len(mine)))
    return steps


class _LoadStep(grain.transforms.Map):
    """A step to its batch."""

    def __init__(self, source: PairSource, budget: int):
        self._source = source
        self._pairs = CachedPairs(source, budget)

    def map(self, element: Step) -> Batch:
        loaded = {index: self._pairs[index] for index in dict.fromkeys(element.indices)}
        pairs = [loaded[index] for index in element.indices]
        return {
            "reference": np.stack([reference for _, reference, _ in pairs]),
            "distorted": np.stack([distorted for _, _, distorted in pairs]),
            "quality": self._source.quality[list(element.indices)],
            "index": np.asarray(element.indices, np.int32),
            "valid": np.arange(len(pairs)) < element.real,
        }


def eval_batches(
    source: PairSource,
    *,
    batch_size: int,
    num_workers: int = 0,
    num_threads: int | None = None,
    process_index: int = 0,
    process_count: int = 1,
    prefetch: int = 2,
    cache_bytes: int = CACHE_BYTES,
) -> Iterator[Batch]:
    """Whole images of every pair, batched by size, for a compiled function of constant shapes.

    Over all processes, every pair is valid in exactly one batch. Every process gets the same
    number of batches in the same order of sizes, so that collective operations stay in step; the
    last batch of a size is filled up by repeated pairs that are not valid.

    Args:
        source: the pairs.
        batch_size: pairs per batch of this process.
        num_workers: see `train_loader`; so the other settings.
        num_threads: see `train_loader`.
        process_index: see `train_loader`.
        process_count: see `train_loader`.
        prefetch: see `train_loader`.
        cache_bytes: see `train_loader`.

    Yields:
        Dicts of `reference` and `distorted`, uint8 `(batch_size, H, W, 3)`; `quality`, float32;
        `index`, int32, the pair's position in the source; and `valid`, bool, False for what fills
        up: all `(batch_size,)`.

    Raises:
        InputError: a setting is out of range, or an image cannot be read.
    """
    check_process(batch_size, process_index, process_count, num_workers)
    steps = plan(_sizes(source), batch_size, process_index, process_count)
    load = _LoadStep(source, cache_bytes // max(1, num_workers))
    stream = iterate(
        grain.MapDataset.source(steps).map(load),
        num_workers,
        default_threads(num_threads, num_workers),
        prefetch,
    )
    return _closing(stream)


def _closing(stream: grain.IterDataset) -> Iterator[Batch]:
    """Iterates, and ends threads and processes at the end or when the caller stops early."""
    iterator = iter(stream)
    try:
        for batch in iterator:
            # Worker processes hand over shared memory, which goes away with them.
            yield {name: np.array(value) for name, value in batch.items()}
    finally:
        iterator.close()


def _sizes(source: PairSource) -> list[tuple[int, int]]:
    sizes = []
    for index in range(len(source)):
        size = source.image_size(index)
        sizes.append(source.load_distorted(index).shape[:2] if size is None else size)
    return sizes
