"""Batches for evaluation: every pair exactly once, for any batch size and number of processes."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Generator, Sequence

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
    """The pairs that one process loads in one step.

    Attributes:
        indices: `batch_size` pairs of equal size, padded by repeating the last one.
        real: number of pairs before the padding.
    """

    indices: tuple[int, ...]
    real: int


def plan(
    sizes: Sequence[tuple[int, int]], batch_size: int, process_index: int, process_count: int
) -> list[Step]:
    """The steps of one process; all processes have as many, with the same image size in each.

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
    """Loads the batch of a step."""

    def __init__(self, source: PairSource):
        self._source = source
        self._pairs = CachedPairs(source, CACHE_BYTES)

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
    process_index: int = 0,
    process_count: int = 1,
) -> Generator[Batch]:
    """Batches whole images of every pair by size, so that a compiled function sees few shapes.

    Over all processes, every pair is valid in exactly one batch. Every process gets the same
    number of batches, with sizes in the same order, so that collective operations stay in step. The
    last batch of a size is padded with repeated pairs, which are marked as not valid.

    Args:
        source: the pairs.
        batch_size: pairs per batch of this process.
        process_index: see `train_loader`.
        process_count: see `train_loader`.

    Yields:
        Dicts of `reference` and `distorted`, uint8 `(batch_size, H, W, 3)`, and three arrays
        `(batch_size,)`: `quality`, float32; `index`, int32, the position in the source; `valid`,
        bool, False for repeated pairs.

    Raises:
        InputError: a setting is out of range, or an image cannot be read.
    """
    check_process(batch_size, process_index, process_count)
    steps = plan(_sizes(source), batch_size, process_index, process_count)
    return _batches(grain.MapDataset.source(steps).map(_LoadStep(source)))


def _batches(dataset: grain.MapDataset) -> Generator[Batch]:
    """Iterates; stops the decoding threads at the end or when the caller stops early."""
    iterator = iter(iterate(dataset, 0, default_threads(None, 0)))
    try:
        yield from iterator
    finally:
        iterator.close()


def _sizes(source: PairSource) -> list[tuple[int, int]]:
    sizes = []
    for index in range(len(source)):
        size = source.image_size(index)
        sizes.append(source.load_distorted(index).shape[:2] if size is None else size)
    return sizes
