"""One run at a time in an output folder; a run that was killed locks nobody out.

A local folder is protected by a file lock. Remote file systems have no locks, so there a run
rewrites a file at regular intervals, and one that has not done so for two minutes counts as dead.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
import uuid
from collections.abc import Iterator

from gsn_jax.errors import InputError
from gsn_jax.serving.beam import files
from gsn_jax.storage import exclusive

# Names of the files that this module makes begin with it.
RUNNING = "running"

# Seconds between two signs of life, and seconds after which a run without one counts as dead. The
# difference allows for clocks that disagree and for slow writes.
BEAT, DEAD = 20.0, 120.0

_ADVICE = "wait for it, or name another folder"


@contextlib.contextmanager
def alone(folder: str) -> Iterator[None]:
    """Admits one run at a time to a folder while the context lasts.

    Args:
        folder: a local one exists.

    Raises:
        InputError: another run is in it.
    """
    refusal = f"another run is writing this folder; {_ADVICE}"
    local = exclusive(files.join(folder, RUNNING), refusal)
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
        with contextlib.suppress(Exception):  # gone with its folder, if the run has finished
            files.delete(own)


def _sign(path: str) -> None:
    files.write_over(path, str(time.time()))


def _beat(path: str, ended: threading.Event) -> None:
    while not ended.wait(BEAT):
        with contextlib.suppress(Exception):  # the next one may succeed
            _sign(path)


def _refuse_second(folder: str, own: str) -> None:
    """Called after this run's own first sign: two runs that start at once both see each other."""
    for path in files.listing(folder):
        if os.path.basename(path).startswith(f"{RUNNING}-") and path != own:
            age = time.time() - _signed(path)
            if age < DEAD:
                raise InputError(
                    f"another run is writing this folder, and wrote a sign of life {age:.0f} "
                    f"seconds ago; {_ADVICE}; if it was killed, repeat the command after "
                    f"{DEAD:.0f} seconds"
                )


def _signed(path: str) -> float:
    try:
        with files.opened(path) as file:
            return float(file.read())
    except Exception:  # each file system raises its own errors; that run has just ended
        return 0.0
