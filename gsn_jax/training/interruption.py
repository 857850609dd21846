"""Stopping a run between two steps when the system or the user asks for it."""

from __future__ import annotations

import signal
import types


class StopRequest:
    """Remembers SIGTERM and SIGINT while it is entered; `requested` says which came.

    The run finishes its step, saves and leaves. A second SIGINT interrupts at once.
    """

    def __init__(self) -> None:
        self.requested: str | None = None
        self._previous: dict[int, object] = {}

    def __enter__(self) -> StopRequest:
        for number in (signal.SIGTERM, signal.SIGINT):
            self._previous[number] = signal.signal(number, self._remember)
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _remember(self, number: int, frame: types.FrameType | None) -> None:
        if number == signal.SIGINT and self.requested:
            raise KeyboardInterrupt
        self.requested = signal.Signals(number).name
