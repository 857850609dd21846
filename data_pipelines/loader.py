"""Batches for training: shuffled, cropped, sharded by process, exactly resumable.

What a batch holds depends on the source, the seed and the batch's number only, not on how many
threads or worker processes decode, nor on where a run was stopped and resumed. A *global* batch,
the processes' batches one after the other, does not depend on the number of processes either.
"""

from __future__ import annotations

import dataclasses
import os
import sys
import weakref
import zlib
from collections.abc import Iterator
from typing import Any

import grain
import numpy as np
from absl import flags

from data_pipelines.caching import CachedPairs
from data_pipelines.sources import PairSource
from gsn_jax.errors import InputError

Batch = dict[str, np.ndarray]

CACHE_BYTES = 512 * 2**20


@dataclasses.dataclass(frozen=True)
class Augment:
    """The same random window and symmetry of both images of a pair.

    Attributes:
        crop_size: side of the square window in pixels.
        flip: mirror left and right, half of the time.
        vertical_flip: mirror top and bottom, half of the time.
        rot90: rotate by a random multiple of 90 degrees.
    """

    crop_size: int
    flip: bool = True
    vertical_flip: bool = False
    rot90: bool = False

    def window(
        self, height: int, width: int, rng: np.random.Generator
    ) -> tuple[int, int, bool, bool, int]:
        """Top, left, mirror, turn upside down, quarter turns; uniform over what is allowed."""
        top = int(rng.integers(height - self.crop_size + 1))
        left = int(rng.integers(width - self.crop_size + 1))
        # All numbers are drawn whatever is switched on, so that switching one on moves no window.
        mirror, upside_down, turns = (int(rng.integers(n)) for n in (2, 2, 4))
        return (
            top,
            left,
            self.flip and mirror == 1,
            self.vertical_flip and upside_down == 1,
            turns if self.rot90 else 0,
        )

    def apply(self, image: np.ndarray, window: tuple[int, int, bool, bool, int]) -> np.ndarray:
        """The window of an image `(H, W, 3)`, a new array `(crop_size, crop_size, 3)`."""
        top, left, mirror, upside_down, turns = window
        crop = image[top : top + self.crop_size, left : left + self.crop_size]
        if mirror:
            crop = crop[:, ::-1]
        if upside_down:
            crop = crop[::-1]
        return np.ascontiguousarray(np.rot90(crop, turns))


@dataclasses.dataclass(frozen=True)
class _CropPair(grain.transforms.RandomMap):
    """A decoded pair to a training example."""

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
            "quality": np.float32(self.source.quality[index]),
        }


class _Part(grain.MapDataset):
    """One process's run of examples within every global batch."""

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
    """What `train_loader` returns: an iterator over batches that knows its position."""

    def __init__(
        self, batches: grain.MapDataset, identity: dict[str, Any], workers: int, threads: int, depth
    ):
        self._batches = batches
        self._identity = identity
        self._workers = workers
        self._threads = threads
        self._depth = depth
        self._position = 0
        self._open: list[Any] = []  # the Grain iterator, while there is one
        # Runs at the end of the program, too, before workers lose what they need to stop.
        weakref.finalize(self, _close_all, self._open)

    def __len__(self) -> int:
        """Number of batches in all epochs; `sys.maxsize` where they never end."""
        return len(self._batches)

    def __next__(self) -> Batch:
        if self._position >= len(self._batches):
            self.close()
            raise StopIteration
        if not self._open:
            remaining = self._batches[self._position :] if self._position else self._batches
            stream = iterate(remaining, self._workers, self._threads, self._depth)
            self._open.append(iter(stream))
        batch = next(self._open[0])
        self._position += 1
        if self._workers:
            # Workers hand over shared memory, which goes away with them; a copy outlives them.
            batch = {name: np.array(value) for name, value in batch.items()}
        return batch

    def get_state(self) -> dict[str, Any]:
        """The position, as a small JSON-able dict for the checkpoint."""
        return {**self._identity, "next_batch": self._position}

    def set_state(self, state: dict[str, Any]) -> None:
        """Continues where `state` was taken; the next batch is the one that came next then.

        The number of workers, threads and (for an equal global batch) processes may differ.

        Raises:
            InputError: the state belongs to other data, another seed or another global batch.
        """
        for name, value in self._identity.items():
            if state.get(name) != value:
                raise InputError(
                    f"the saved position of the input pipeline has {name} {state.get(name)!r}, "
                    f"but this run has {value!r}; resume with the same data and settings"
                )
        self.close()
        self._position = int(state["next_batch"])

    def close(self) -> None:
        """Ends threads and worker processes; the position stays."""
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
    vertical_flip: bool = False,
    rot90: bool = False,
    num_workers: int = 0,
    num_threads: int | None = None,
    num_epochs: int | None = None,
    process_index: int = 0,
    process_count: int = 1,
    prefetch: int = 2,
    cache_bytes: int = CACHE_BYTES,
) -> TrainLoader:
    """Random crops of all pairs, in an order shuffled anew in every epoch.

    A global batch may begin in one epoch and end in the next, so that every epoch shows every pair
    exactly once; with a limited `num_epochs` the incomplete last batch is left out.

    Args:
        source: the pairs.
        batch_size: pairs per batch *of this process*; the global batch is `process_count` times it.
        crop_size: side of the square window, the same in both images.
        seed: decides order, windows and symmetries.
        flip: see `Augment`; so `vertical_flip` and `rot90`.
        vertical_flip: see `Augment`.
        rot90: see `Augment`.
        num_workers: processes that decode; 0 decodes in threads of this process, which is as fast
            where few cores decode, because decoders release the interpreter's lock.
        num_threads: threads per decoding process; by default all cores, or 1 in a worker process.
        num_epochs: how often each pair is shown; None repeats for ever.
        process_index: which part of the global batch to give, `jax.process_index()`.
        process_count: number of parts, `jax.process_count()`.
        prefetch: batches to have ready, per worker process.
        cache_bytes: memory for decoded reference images, of all workers together.

    Returns:
        An iterator over dicts of `reference` and `distorted`, uint8 `(batch_size, crop_size,
        crop_size, 3)`, and `quality`, float32 `(batch_size,)` in [0, 1], up = better.

    Raises:
        InputError: a setting is out of range, or there are fewer examples than a global batch;
            while iterating: an image cannot be read or is smaller than the crop.
    """
    check_process(batch_size, process_index, process_count, num_workers)
    if not 0 <= seed < 2**32:
        raise InputError(f"seed: needs 0 <= seed < 2**32, got {seed}")
    if crop_size < 1:
        raise InputError(f"crop_size: needs at least 1 pixel, got {crop_size}")
    available = len(source) * (num_epochs or sys.maxsize)
    if available < batch_size * process_count:
        raise InputError(
            f"{available} examples do not fill a global batch of {batch_size * process_count}; "
            "choose a smaller batch_size, or more epochs"
        )
    pairs = CachedPairs(source, cache_bytes // max(1, num_workers))
    examples = (
        grain.MapDataset.source(pairs)
        .seed(seed)
        .shuffle()
        .repeat(num_epochs)
        .random_map(_CropPair(source, Augment(crop_size, flip, vertical_flip, rot90)))
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
        prefetch=prefetch,
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
    prefetch: int = 2,
) -> TrainLoader:
    """Examples of a source, in the order given, as `train_loader` returns them."""
    batches = _Part(examples, batch_size, process_index, process_count).batch(
        batch_size, drop_remainder=True
    )
    identity = {
        "pairs": len(source),
        "source": fingerprint(source),
        "seed": seed,
        "global_batch": batch_size * process_count,
    }
    return TrainLoader(
        batches, identity, num_workers, default_threads(num_threads, num_workers), prefetch
    )


def iterate(batches: grain.MapDataset, workers: int, threads: int, depth: int) -> grain.IterDataset:
    """Decodes the elements ahead, in threads or in worker processes, and keeps their order."""
    stream = batches.to_iter_dataset(
        grain.ReadOptions(num_threads=threads, prefetch_buffer_size=max(depth, threads))
    )
    if workers == 0:
        return stream
    if not flags.FLAGS.is_parsed():
        # Grain reads absl flags here; outside `absl.app.run` nobody parses them: take the defaults.
        flags.FLAGS.mark_as_parsed()
    options = grain.MultiprocessingOptions(num_workers=workers, per_worker_buffer_size=depth)
    return stream.mp_prefetch(options)


def default_threads(threads: int | None, workers: int) -> int:
    """Threads per decoding process: what is asked for, else all cores or one beside others."""
    if threads is not None:
        return threads
    return (
        1
        if workers
        else len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else (os.cpu_count() or 1)
    )


def check_crop(source: PairSource, index: int, image: tuple[int, int], size: int) -> None:
    """Refuses a pair whose images, of height and width `image`, are smaller than the crop.

    Raises:
        InputError: naming the pair.
    """
    height, width = image
    if min(image) < size:
        raise InputError(
            f"{source.describe(index)}: {width} x {height} is smaller than the crop of "
            f"{size} x {size}; choose a smaller crop_size, or leave the pair out"
        )


def check_process(batch_size: int, index: int, count: int, workers: int) -> None:
    """Refuses settings that make no sense.

    Raises:
        InputError: naming the setting.
    """
    if batch_size < 1:
        raise InputError(f"batch_size: needs at least 1 pair, got {batch_size}")
    if workers < 0:
        raise InputError(f"num_workers: 0 or more, got {workers}")
    if not 0 <= index < count:
        raise InputError(f"process_index: needs 0 <= index < {count}, got {index}")


def fingerprint(source: PairSource) -> int:
    """A checksum of names and labels, by which a saved position knows its data."""
    names = "\n".join(source.fields["distorted"].tolist()).encode()
    return zlib.crc32(np.ascontiguousarray(source.quality).tobytes(), zlib.crc32(names))
