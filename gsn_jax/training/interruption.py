"""Stops a run on SIGTERM or SIGINT, in all processes after the same step."""

from __future__ import annotations

import signal
import types
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gsn_jax.training.meshes import divided, make_mesh, replicated


class StopRequest:
    """A context manager that remembers SIGTERM and SIGINT, sent to any process of the run.

    The run calls `reached` after every step and every evaluation batch, and saves and ends once it
    gives a signal. In a single process, a second SIGINT interrupts at once.

    Processes agree by a reduction of one number per device. One call of `reached` starts it and the
    next one reads it, so that no device waits. (JAX's preemption service also agrees on a step, but
    Orbax asks it too, with other step numbers, so that the agreed step may be in the past.)
    """

    def __init__(self) -> None:
        self._signal: str | None = None
        self._agreed: str | None = None
        self._together = jax.process_count() > 1
        self._previous: dict[int, Any] = {}
        if self._together:
            mesh = make_mesh()
            self._sharding = divided(mesh)
            self._reduce = jax.jit(jnp.max, out_shardings=replicated(mesh))
            self._pending = self._start()

    def __enter__(self) -> StopRequest:
        for number in (signal.SIGTERM, signal.SIGINT):
            self._previous[number] = signal.signal(number, self._remember)
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def reached(self) -> str | None:
        """Name of the signal if the run is to stop here, else None.

        All processes must call it the same number of times, at the same points.
        """
        if not self._together:
            return self._signal
        if self._agreed is None:
            found = int(jax.device_get(self._pending))
            self._agreed = signal.Signals(found).name if found else None
            self._pending = self._start()
        return self._agreed

    def came(self) -> str | None:
        """Name of a signal, even if it came after the last call of `reached`; None without one.

        All processes call it at the end of the block.
        """
        # With several processes, the second call reads the reduction that the first one starts.
        return self.reached() or self.reached()

    def _start(self) -> jax.Array:
        number = signal.Signals[self._signal].value if self._signal else 0
        mine = np.full(jax.local_device_count(), number, np.int32)
        return self._reduce(jax.make_array_from_process_local_data(self._sharding, mine))

    def _remember(self, number: int, _: types.FrameType | None) -> None:
        if number == signal.SIGINT and self._signal and not self._together:
            raise KeyboardInterrupt
        self._signal = signal.Signals(number).name
