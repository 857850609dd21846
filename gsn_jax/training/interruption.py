"""Stopping a run when the system or the user asks for it, in all processes at the same place."""

from __future__ import annotations

import os
import signal
import types

import jax
from jax.experimental import multihost_utils


class StopRequest:
    """Remembers SIGTERM and SIGINT while it is entered.

    The run asks after every step and every batch of an evaluation, finishes what it is doing,
    saves and leaves. In a process on its own a second SIGINT interrupts at once. With several
    processes a signal to any of them reaches all: JAX's preemption service, which handles SIGTERM
    from the start of the group, agrees on a place that none has passed yet.
    """

    def __init__(self) -> None:
        self._requested: str | None = None
        self._together = jax.process_count() > 1
        self._asked = 0
        self._previous: dict[int, object] = {}

    def __enter__(self) -> StopRequest:
        handlers = {signal.SIGINT: self._pass_on if self._together else self._remember}
        if not self._together:
            handlers[signal.SIGTERM] = self._remember
        for number, handler in handlers.items():
            self._previous[number] = signal.signal(number, handler)
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def reached(self) -> str | None:
        """The signal's name where the run is to stop here, else None.

        Every process asks equally often, in the same places.
        """
        if self._together and self._requested is None:
            self._asked += 1
            if multihost_utils.reached_preemption_sync_point(self._asked):
                self._requested = "SIGTERM"
        return self._requested

    def _remember(self, number: int, frame: types.FrameType | None) -> None:
        if number == signal.SIGINT and self._requested:
            raise KeyboardInterrupt
        self._requested = signal.Signals(number).name

    def _pass_on(self, number: int, frame: types.FrameType | None) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
