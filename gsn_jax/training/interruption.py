"""Stopping a run when the system or the user asks for it, in all processes at the same place."""

from __future__ import annotations

import signal
import types

import jax
import jax.numpy as jnp
import numpy as np

from gsn_jax.training.meshes import divided, make_mesh, replicated


class StopRequest:
    """Remembers SIGTERM and SIGINT while it is entered; with several processes, those of any.

    The run asks after every step and every batch of an evaluation, finishes what it is doing,
    saves and leaves. A second SIGINT interrupts a process on its own at once.

    The processes agree by a reduction of one number per device that is started at one question
    and read at the next, so that no device waits for it. (JAX's preemption service would agree
    without it, but counts the questions of Orbax, too, which asks with other numbers: the agreed
    place may then be one that is already passed.)
    """

    def __init__(self) -> None:
        self._signal: str | None = None
        self._agreed: str | None = None
        self._together = jax.process_count() > 1
        self._previous: dict[int, object] = {}
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
        """The signal's name where the run is to stop here, else None.

        All processes ask equally often, in the same places.
        """
        if not self._together:
            return self._signal
        if self._agreed is None:
            found = int(jax.device_get(self._pending))
            self._agreed = signal.Signals(found).name if found else None
            self._pending = self._start()
        return self._agreed

    def came(self) -> str | None:
        """The name of a signal that came at all, also after the last question; None without.

        For when the block is left, where all processes ask: nothing is remembered after that.
        """
        # With several processes a question is answered at the next one.
        return self.reached() or self.reached()

    def _start(self) -> jax.Array:
        number = signal.Signals[self._signal].value if self._signal else 0
        mine = np.full(jax.local_device_count(), number, np.int32)
        return self._reduce(jax.make_array_from_process_local_data(self._sharding, mine))

    def _remember(self, number: int, frame: types.FrameType | None) -> None:
        if number == signal.SIGINT and self._signal and not self._together:
            raise KeyboardInterrupt
        self._signal = signal.Signals(number).name
