"""Batches for training: shuffled, cropped, sharded by process, exactly resumable.

A batch depends only on the source, the seed and its number, not on the number of threads or worker
processes, nor on where a run was stopped and resumed. The *global* batch, which is the batches of
all processes in order, does not depend on the number of processes either.
"""

from __future__ import annotations

import dataclasses
import weakref
import zlib
from collections.abc import Iterator
from typing import Any

import grain
import numpy as np
from absl import flags

from data_pipelines import parallel
from data_pipelines.caching import CachedPairs
from data_pipelines.sources import PairSource
from gsn_jax.errors import InputError

Batch = dict[str, np.ndarray]

CACHE_BYTES = 512 * 2**20
_AHEAD = 2  # batches to prefetch per decoding process


Window = tuple[int, int, bool]  # top, left, whether mirrored


@dataclasses.dataclass(frozen=True)
class Augment:
    """The same random window and mirroring for both images of a pair.

    Attributes:
        crop_size: side of the square window in pixels.
        flip: whether to mirror half of the crops left to right.
    """

    crop_size: int
    flip: bool = True

    def window(self, height: int, width: int, rng: np.random.Generator) -> Window:
        """Draws a window of an image of this size, uniformly over all positions."""
        top = int(rng.integers(height - self.crop_size + 1))
        left = int(rng.integers(width - self.crop_size + 1))
        return top, left, self.flip and int(rng.integers(2)) == 1

    def apply(self, image: np.ndarray, window: Window) -> np.ndarray:
        """Crops `(H, W, 3)` to the window: a new array `(crop_size, crop_size, 3)`."""
        top, left, mirror = window
        crop = image[top : top + self.crop_size, left : left + self.crop_size]
        return np.ascontiguousarray(crop[:, ::-1] if mirror else crop)


@dataclasses.dataclass(frozen=True)
class _CropPair(grain.transforms.RandomMap):
    """Crops a decoded pair to a training example."""

    source: PairSource
    augment: Augment

    def random_map(
        self, element: tuple[int, np.ndarray, np.ndarray], rng: np.random.Generator
    ) -> Batch:
        index, reference, distorted = element
        height, width = reference.shape[:2]
        check_crop(self.source, index, (height, width), self.augment.crop_size)
        window = self.augment.window(height, width, rng)
        return {
            "reference": self.augment.apply(reference, window),
            "distorted": self.augment.apply(distorted, window),
            "quality": self.source.quality[index],
        }


class _Part(grain.MapDataset):
    """The examples of one process: its contiguous part of every global batch."""

    def __init__(self, parent: grain.MapDataset, batch_size: int, index: int, count: int):
        super().__init__(parent)
        self._batch_size = batch_size
        self._first = index * batch_size
        self._whole = batch_size * count

    def __len__(self) -> int:
        return len(self._parent) // self._whole * self._batch_size

    def __getitem__(self, index: int) -> Batch:
        batch, place = divmod(index, self._batch_size)
        return self._parent[batch * self._whole + self._first + place]


class TrainLoader(Iterator[Batch]):
    """An endless iterator over batches that can save and restore its position."""

    def __init__(
        self, batches: grain.MapDataset, identity: dict[str, Any], workers: int, threads: int
    ):
        """See `train_loader`; a saved position must agree with `identity`."""
        self._batches = batches
        self._identity = identity
        self._workers = workers
        self._threads = threads
        self._position = 0
        self._open: list[Any] = []  # the Grain iterator, if it is running
        # Also runs at exit, while the worker processes can still be stopped.
        weakref.finalize(self, _close_all, self._open)

    def __next__(self) -> Batch:
        if not self._open:
            remaining = self._batches[self._position :] if self._position else self._batches
            self._open.append(iter(iterate(remaining, self._workers, self._threads)))
        batch = next(self._open[0])
        self._position += 1
        if self._workers:
            # Workers return shared memory, which is freed when they stop.
            batch = {name: np.array(value) for name, value in batch.items()}
        return batch

    def get_state(self) -> dict[str, Any]:
        """The position, as a small JSON-compatible dict for the checkpoint."""
        return {**self._identity, "next_batch": self._position}

    def set_state(self, state: dict[str, Any]) -> None:
        """Restores a position from `get_state`.

        The number of workers and threads may differ, and, if the global batch is equal, the number
        of processes too. What a state of an earlier version lacks is not compared.

        Raises:
            InputError: the state belongs to other data, another seed or another global batch.
        """
        for name, value in self._identity.items():
            if state.get(name, value) != value:
                raise InputError(
                    f"the saved position of the input pipeline has {name} {state[name]!r}, "
                    f"but this run has {value!r}; resume with the same data and settings"
                )
        self.close()
        self._position = int(state["next_batch"])

    def close(self) -> None:
        """Stops the threads and worker processes; keeps the position."""
        _close_all(self._open)


def _close_all(iterators: list[Any]) -> None:
    while iterators:
        iterators.pop().close()


def train_loader(
    source: PairSource,
    *,
    batch_size: int,
    crop_size: int,
    seed: int,
    flip: bool = True,
    num_workers: int = 0,
    num_threads: int | None = None,
    process_index: int = 0,
    process_count: int = 1,
    cache_bytes: int = CACHE_BYTES,
) -> TrainLoader:
    """Endless batches of random crops of all pairs, reshuffled in every epoch.

    Every epoch contains every pair exactly once, so a global batch may span two epochs.

    Args:
        source: the pairs.
        batch_size: pairs per batch *of this process*; the global batch is `process_count` times it.
        crop_size: side in pixels of the square window, the same in both images.
        seed: determines order, windows and mirroring.
        flip: whether to mirror half of the crops left to right.
        num_workers: decoding processes; 0 decodes in threads of this process, which is as fast on
            few cores because the decoders release the GIL.
        num_threads: threads per decoding process; by default all cores, or 1 in a worker process.
        process_index: which part of the global batch to return, `jax.process_index()`.
        process_count: number of parts, `jax.process_count()`.
        cache_bytes: memory for decoded reference images, shared among all workers.

    Returns:
        An iterator over dicts of `reference` and `distorted`, uint8 `(batch_size, crop_size,
        crop_size, 3)`, and `quality`, float32 `(batch_size,)` in [0, 1], up = better.

    Raises:
        InputError: a setting is out of range, or, while iterating, an image cannot be read or is
            smaller than the crop.
    """
    check_process(batch_size, process_index, process_count, num_workers)
    if not 0 <= seed < 2**32:
        raise InputError(f"seed: needs 0 <= seed < 2**32, got {seed}")
    if crop_size < 1:
        raise InputError(f"crop_size: needs at least 1 pixel, got {crop_size}")
    pairs = CachedPairs(source, cache_bytes // max(1, num_workers))
    examples = (
        grain.MapDataset.source(pairs)
        .seed(seed)
        .shuffle()
        .repeat()
        .random_map(_CropPair(source, Augment(crop_size, flip)))
    )
    return in_batches(
        examples,
        source,
        batch_size,
        seed,
        num_workers=num_workers,
        num_threads=num_threads,
        process_index=process_index,
        process_count=process_count,
    )


def in_batches(
    examples: grain.MapDataset,
    source: PairSource,
    batch_size: int,
    seed: int,
    *,
    num_workers: int = 0,
    num_threads: int | None = None,
    process_index: int = 0,
    process_count: int = 1,
) -> TrainLoader:
    """Batches an endless sequence of examples in the given order; see `train_loader`."""
    batches = _Part(examples, batch_size, process_index, process_count).batch(
        batch_size, drop_remainder=True
    )
    identity = {
        "pairs": len(source),
        "source": fingerprint(source),
        "references": _checksum(source.fields["reference"]),
        "seed": seed,
        "global_batch": batch_size * process_count,
    }
    return TrainLoader(batches, identity, num_workers, default_threads(num_threads, num_workers))


def iterate(
    batches: grain.MapDataset, workers: int, threads: int, ahead: int = _AHEAD
) -> grain.IterDataset:
    """Prefetches elements in threads or worker processes, keeping their order."""
    stream = batches.to_iter_dataset(
        grain.ReadOptions(num_threads=threads, prefetch_buffer_size=max(ahead, threads))
    )
    if workers == 0:
        return stream
    if not flags.FLAGS.is_parsed():
        # Grain reads absl's flags, which only `absl.app.run` would parse: use the defaults.
        flags.FLAGS.mark_as_parsed()
    options = grain.MultiprocessingOptions(num_workers=workers, per_worker_buffer_size=ahead)
    return stream.mp_prefetch(options)


def default_threads(threads: int | None, workers: int) -> int:
    """Threads per decoding process: the given number, or else all cores, or 1 in a worker."""
    if threads is not None:
        return threads
    return 1 if workers else parallel.cores()


def check_crop(source: PairSource, index: int, image: tuple[int, int], size: int) -> None:
    """Checks that a pair's images, `image` = (height, width), are at least as large as the crop.

    Raises:
        InputError: they are smaller.
    """
    height, width = image
    if min(image) < size:
        raise InputError(
            f"{source.describe(index)}: {width} x {height} is smaller than the crop of "
            f"{size} x {size}; choose a smaller crop_size, or leave the pair out"
        )


def check_process(batch_size: int, index: int, count: int, workers: int = 0) -> None:
    """Checks the settings of a process.

    Raises:
        InputError: one is out of range.
    """
    if batch_size < 1:
        raise InputError(f"batch_size: needs at least 1 pair, got {batch_size}")
    if workers < 0:
        raise InputError(f"num_workers: needs 0 or more, got {workers}")
    if not 0 <= index < count:
        raise InputError(f"process_index: needs 0 <= index < {count}, got {index}")


def fingerprint(source: PairSource) -> int:
    """Checksum of distorted images' names and labels: whether a saved position is of the source."""
    labels = np.ascontiguousarray(source.quality).tobytes()
    return zlib.crc32(labels, _checksum(source.fields["distorted"]))


def _checksum(names: np.ndarray) -> int:
    return zlib.crc32("\n".join(names.tolist()).encode())
