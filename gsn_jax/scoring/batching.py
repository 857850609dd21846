"""Scores pairs in batches on all local devices, with several batches in flight."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import jax
import numpy as np

from gsn_jax.devices import batches
from gsn_jax.devices.batches import BatchClass, Images, PairBatch
from gsn_jax.errors import out_of_memory
from gsn_jax.metric import Batching, Metric

# Batches on the devices at once, so that one is computed while the next is copied.
_IN_FLIGHT = 3

# Limit on decoded but unscored images, in bytes per device. Beyond it, partial batches are sent.
_OPEN_BYTES = 2**29

# Maps the name of each metric to its score, or to the error that prevented it.
Outcome = dict[str, "float | Exception"]


@dataclasses.dataclass(frozen=True)
class Job:
    """A pair to score.

    Attributes:
        index: number of the pair.
        load: returns both images, `(H, W, 3)` of equal size, uint8 or float32 in [0, 1]; may raise.
        metrics: the metrics to score it with.
    """

    index: int
    load: Callable[[], Images]
    metrics: Sequence[Metric]


def wanted(batch_size: int | None) -> bool:
    """Whether to score in batches: on accelerators, or if a batch size is given.

    On a CPU, batches are not faster than single pairs.
    """
    return batch_size is not None or jax.default_backend() != "cpu"


def score_in_batches(
    jobs: Iterable[Job], count: int, batch_size: int | None = None
) -> Iterator[tuple[int, Outcome | Exception]]:
    """Scores pairs in batches of one class each. Metrics without batches score pairs one by one.

    Args:
        jobs: the pairs; pairs with the same reference should be adjacent.
        count: upper bound on the number of jobs.
        batch_size: pairs per device in a batch; None for as many as its memory holds.

    Yields:
        The number of a pair, and its scores or the error raised by loading its images. Pairs come
        in the order in which they are finished.
    """
    run = _Run(count, batch_size)
    for job in jobs:
        run.add(job)
        yield from run.take_done()
    run.finish()
    yield from run.take_done()


def score_in_turn(jobs: Iterable[Job]) -> Iterator[tuple[int, Outcome | Exception]]:
    """Like `score_in_batches`, but one pair after the other, in order."""
    for job in jobs:
        try:
            images = job.load()
        except Exception as error:
            yield job.index, error
        else:
            yield job.index, {metric.name: _alone(metric, images) for metric in job.metrics}


@dataclasses.dataclass
class _Open:
    """A pair that still lacks scores."""

    index: int
    images: Images
    missing: int
    outcome: Outcome = dataclasses.field(default_factory=dict)

    @property
    def bytes(self) -> int:
        return sum(image.nbytes for image in self.images)


@dataclasses.dataclass(frozen=True)
class _Flight:
    """A batch on the devices."""

    metric: Any
    pairs: list[_Open]
    scores: Any  # `jax.Array`, whose `is_ready` has no type


class _Run:
    """Pairs that wait for a full batch, batches in flight, and pairs that are done."""

    def __init__(self, count: int, batch_size: int | None):
        devices = batches.mesh().size
        # Most pairs per device. A power of two, so that short runs share compiled programs.
        self._most = 1 << max(-(-count // devices) - 1, 0).bit_length()
        self._batch_size = batch_size
        self._waiting: dict[tuple[str, BatchClass, np.dtype], tuple[Any, list[_Open]]] = {}
        self._open_bytes, self._most_bytes = 0, _OPEN_BYTES * devices
        self._flying: collections.deque[_Flight] = collections.deque()
        self._done: list[tuple[int, Outcome | Exception]] = []

    def add(self, job: Job) -> None:
        """Queues a pair, and sends any batch that it completes."""
        try:
            images = batches.batchable(job.load())
        except Exception as error:
            self._done.append((job.index, error))
            return
        pair = _Open(job.index, images, len(job.metrics))
        self._open_bytes += pair.bytes
        for metric in job.metrics:
            try:
                self._queue(metric, pair)
            except Exception as error:
                self._settle(pair, metric, error)
        while self._flying and (
            self._flying[0].scores.is_ready() or self._open_bytes > self._most_bytes
        ):
            self._land()
        if self._open_bytes > self._most_bytes:
            self._send_all()

    def _queue(self, metric: Metric, pair: _Open) -> None:
        kind = None
        if isinstance(metric, Batching):
            kind = metric.batch_class((pair.images[0].shape[0], pair.images[0].shape[1]))
        if kind is None:
            self._settle(pair, metric, _alone(metric, pair.images))
            return
        key = metric.name, kind, pair.images[0].dtype
        _, queue = self._waiting.setdefault(key, (metric, []))
        queue.append(pair)
        if len(queue) == self._per_device(kind) * batches.mesh().size:
            self._send(key)

    def _per_device(self, kind: BatchClass) -> int:
        return min(batches.pairs_per_device(kind.pixels, self._batch_size), self._most)

    def _send(self, key: tuple[str, BatchClass, np.dtype]) -> None:
        metric, pairs = self._waiting.pop(key)
        batch = PairBatch(key[1], [pair.images for pair in pairs], self._per_device(key[1]))
        try:
            scores = metric.score_batch(batch)
            with jax.transfer_guard_device_to_host("allow"):  # intended, like `device_get`
                scores.copy_to_host_async()
        except Exception as error:
            self._fail(metric, pairs, error)
            return
        self._flying.append(_Flight(metric, pairs, scores))
        while len(self._flying) > _IN_FLIGHT:
            self._land()

    def _send_all(self) -> None:
        for key in list(self._waiting):
            self._send(key)

    def _land(self) -> None:
        """Fetches the scores of the oldest batch."""
        flight = self._flying.popleft()
        try:
            scores = jax.device_get(flight.scores)
        except Exception as error:
            self._fail(flight.metric, flight.pairs, error)
            return
        for pair, score in zip(flight.pairs, scores, strict=False):  # scores of padding are dropped
            self._settle(pair, flight.metric, float(score))

    def _fail(self, metric: Metric, pairs: Sequence[_Open], error: Exception) -> None:
        """Settles the pairs of a failed batch; if memory ran out, they are scored one by one."""
        alone = out_of_memory(error)
        for pair in pairs:
            self._settle(pair, metric, _alone(metric, pair.images) if alone else error)

    def _settle(self, pair: _Open, metric: Metric, result: float | Exception) -> None:
        pair.outcome[metric.name] = result
        pair.missing -= 1
        if not pair.missing:
            self._open_bytes -= pair.bytes
            self._done.append((pair.index, pair.outcome))

    def finish(self) -> None:
        """Sends the partial batches, and fetches all scores."""
        self._send_all()
        while self._flying:
            self._land()

    def take_done(self) -> list[tuple[int, Outcome | Exception]]:
        """The pairs completed since the last call."""
        done, self._done = self._done, []
        return done


def _alone(metric: Metric, images: Images) -> float | Exception:
    """The score of one pair, or its error."""
    try:
        return float(metric(*images))
    except Exception as error:
        return error
