"""Runs a multi-process command in a child process and reports how the child ended.

When a process of a group dies, JAX aborts the others with a stack trace. The parent process, which
never uses JAX, then prints one line on what happened and what to do, and sets the exit code.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import types

import click

from gsn_jax.devices.distributed import LOST, START_AGAIN, WRONG_INPUT, ProcessGroup

_LIFELINE = "GSN_JAX_LIFELINE"
_FORWARDED = (signal.SIGTERM, signal.SIGINT)


def supervise(group: ProcessGroup, start_seconds: int) -> int:
    """Runs the same command as a child, forwards signals to it, and reports how it ended.

    Returns:
        The exit code: the child's own; 75 if another process was lost; 128 + n if signal n killed
        it; 0 if SIGTERM came before there was anything to save.
    """
    mine, its = socket.socketpair()
    with mine:
        with its:
            child = subprocess.Popen(
                [sys.executable, "-m", "gsn_jax", *sys.argv[1:]],
                env={**os.environ, _LIFELINE: str(its.fileno())},
                pass_fds=[its.fileno()],
                process_group=0,  # so that a terminal's Ctrl-C reaches it once, forwarded from here
            )
        stopped = _wait(child)
        mine.setblocking(False)
        try:
            joined = bool(mine.recv(1))
        except (BlockingIOError, ConnectionError):
            joined = False
    code, line = _verdict(child.returncode, group, start_seconds, joined=joined, stopped=stopped)
    if line:
        click.echo(f"gsn: {line}", err=True)
    return code


def _wait(child: subprocess.Popen) -> bool:
    """Waits for the child. True if a signal was forwarded to it."""
    passed: list[int] = []

    def forward(number: int, frame: types.FrameType | None) -> None:
        passed.append(number)
        child.send_signal(number)

    before = {number: signal.signal(number, forward) for number in _FORWARDED}
    try:
        child.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return bool(passed)


def _verdict(
    code: int, group: ProcessGroup, start_seconds: int, *, joined: bool, stopped: bool
) -> tuple[int, str | None]:
    """Exit code, and the line to print; None if the child has reported its error itself."""
    if code >= 0:
        return code, None
    me = "this process" if group.index is None else f"process {group.index} of {group.count}"
    if stopped and not joined and -code in _FORWARDED:
        return 0, f"{me}: stopped by {signal.Signals(-code).name} before the start; nothing to save"
    if -code != signal.SIGABRT:
        name = signal.Signals(-code).name
        reason = "out of memory, or a scheduler" if name == "SIGKILL" else "see above"
        return 128 - code, f"{me} was killed by {name} ({reason}); {START_AGAIN}"
    if not joined:
        return WRONG_INPUT, (
            f"{me}: the {group} did not connect to each other within {start_seconds} s; start all "
            "of them, with the same coordinator and number of processes"
        )
    return LOST, f"{me} ended because another process was lost; {START_AGAIN}"


class Lifeline:
    """The child's end of the connection to its parent. The child exits when the parent is gone."""

    def __init__(self, connection: socket.socket):
        self._connection = connection
        threading.Thread(target=self._watch, daemon=True).start()

    def joined(self) -> None:
        """Tells the parent that all processes have joined."""
        self._connection.send(b"j")

    def _watch(self) -> None:
        with contextlib.suppress(OSError):
            self._connection.recv(1)
        os._exit(LOST)


def lifeline() -> Lifeline | None:
    """The lifeline of a supervised child; None in any other process."""
    number = os.environ.pop(_LIFELINE, None)
    return None if number is None else Lifeline(socket.socket(fileno=int(number)))
