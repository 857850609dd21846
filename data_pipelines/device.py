"""Moves host batches to the devices as global arrays, a few batches ahead."""

from __future__ import annotations

import collections
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np


class DevicePrefetcher(Iterator[dict[str, jax.Array]]):
    """Builds global arrays from the local batches of all processes, a few batches ahead.

    `get_state`, `set_state` and `close` act on the iterator, if it has them. The saved position
    counts the batches returned, not those read ahead.

    Args:
        iterator: yields dicts of arrays `(batch_size, ...)`, this process's part of the batch.
        sharding: of the global arrays `(process_count * batch_size, ...)`.
        depth: batches to transfer ahead; 0 transfers on demand.
    """

    def __init__(
        self,
        iterator: Iterator[dict[str, np.ndarray]],
        sharding: jax.sharding.Sharding,
        depth: int = 2,
    ):
        self._iterator: Any = iterator
        self._sharding = sharding
        self._depth = depth
        self._queue: collections.deque[tuple[dict[str, jax.Array], Any]] = collections.deque()
        self._state = self._upstream_state()

    def _upstream_state(self) -> Any:
        get_state = getattr(self._iterator, "get_state", None)
        return get_state() if get_state else None

    def _put(self, batch: dict[str, np.ndarray]) -> dict[str, jax.Array]:
        return {
            name: jax.make_array_from_process_local_data(self._sharding, value)
            for name, value in batch.items()
        }

    def _fill(self) -> None:
        while len(self._queue) <= self._depth:
            try:
                batch = next(self._iterator)
            except StopIteration:
                return
            self._queue.append((self._put(batch), self._upstream_state()))

    def __next__(self) -> dict[str, jax.Array]:
        self._fill()
        if not self._queue:
            raise StopIteration
        batch, self._state = self._queue.popleft()
        return batch

    def get_state(self) -> Any:
        """The position after the last batch returned, not after the last one read ahead."""
        return self._state

    def set_state(self, state: Any) -> None:
        """Continues at `state`, dropping the batches read ahead."""
        self._queue.clear()
        self._iterator.set_state(state)
        self._state = state

    def close(self) -> None:
        """Stops the threads and processes of the wrapped iterator."""
        self._queue.clear()
        if hasattr(self._iterator, "close"):
            self._iterator.close()
