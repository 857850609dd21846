"""One run at a time in an output folder; a run that was killed locks nobody out.

A local folder is locked by the system. Remote file systems have no locks: there a run shows that it
lives, by writing a file again and again, and one that has not done so for long is dead.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
import uuid
from collections.abc import Iterator

from gsn_jax.errors import InputError
from gsn_jax.scoring import file_locks
from gsn_jax.serving.beam import files

# How the names of the files begin that this module makes.
RUNNING = "running"

# Seconds from one sign of life to the next, and after which a run without one is dead. In between
# lies what clocks of different machines may differ by, and a write that takes long.
BEAT, DEAD = 20.0, 120.0


@contextlib.contextmanager
def alone(folder: str) -> Iterator[None]:
    """Keeps a folder to this run while the context lasts.

    Args:
        folder: it exists, if it is local.

    Raises:
        InputError: another run has it.
    """
    local = file_locks.alone(files.join(folder, RUNNING))
    with _living(folder) if files.is_remote(folder) else local:
        yield


@contextlib.contextmanager
def _living(folder: str) -> Iterator[None]:
    own = files.join(folder, f"{RUNNING}-{uuid.uuid4().hex[:8]}")
    ended = threading.Event()
    beating = threading.Thread(target=_beat, args=(own, ended), daemon=True)
    _sign(own)
    try:
        _refuse_second(folder, own)
        beating.start()
        yield
    finally:
        ended.set()
        if beating.ident is not None:
            beating.join()
        with contextlib.suppress(Exception):  # with its folder, where the run has finished
            files.delete(own)


def _sign(path: str) -> None:
    files.write_over(path, str(time.time()))


def _beat(path: str, ended: threading.Event) -> None:
    while not ended.wait(BEAT):
        with contextlib.suppress(Exception):  # the next one may do
            _sign(path)


def _refuse_second(folder: str, own: str) -> None:
    """Looks for others, after having shown itself: of two that start at once none misses it."""
    for path in files.listing(folder):
        if os.path.basename(path).startswith(f"{RUNNING}-") and path != own:
            age = time.time() - _signed(path)
            if age < DEAD:
                raise InputError(
                    f"another run is writing this folder, and wrote a sign of life {age:.0f} "
                    f"seconds ago; {file_locks.ADVICE}; if it was killed, repeat the command after "
                    f"{DEAD:.0f} seconds"
                )


def _signed(path: str) -> float:
    try:
        with files.opened(path) as file:
            return float(file.read())
    except Exception:  # file systems have errors of their own; it has just ended
        return 0.0
