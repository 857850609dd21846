"""Allows one run at a time in an output folder; a killed run does not block later ones.

A local folder is protected by a file lock. Remote file systems have no locks. There, a run rewrites
a heartbeat file at regular intervals, and counts as dead after two minutes without a heartbeat.
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
from gsn_jax.storage import exclusive, is_url

# Prefix of the names of all files that this module makes.
RUNNING = "running"

# Seconds between two heartbeats, and seconds without one after which a run counts as dead. The
# difference allows for clocks that disagree and for slow writes.
BEAT, DEAD = 20.0, 120.0

_ADVICE = "wait for it, or name another folder"


@contextlib.contextmanager
def alone(folder: str) -> Iterator[None]:
    """Admits one run at a time to a folder while the context lasts.

    Args:
        folder: the folder; a local one must exist.

    Raises:
        InputError: another run is using it.
    """
    refusal = f"another run is writing to this folder; {_ADVICE}"
    local = exclusive(files.join(folder, RUNNING), refusal)
    with _living(folder) if is_url(folder) else local:
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
        with contextlib.suppress(Exception):  # a finished run has deleted the folder
            files.delete(own)


def _sign(path: str) -> None:
    files.write_over(path, str(time.time()))


def _beat(path: str, ended: threading.Event) -> None:
    while not ended.wait(BEAT):
        with contextlib.suppress(Exception):  # the next one may succeed
            _sign(path)


def _refuse_second(folder: str, own: str) -> None:
    """Called after this run's first heartbeat, so that runs that start at once see each other."""
    for path in files.listing(folder):
        if os.path.basename(path).startswith(f"{RUNNING}-") and path != own:
            age = time.time() - _signed(path)
            if age < DEAD:
                raise InputError(
                    f"another run is writing to this folder (last heartbeat {age:.0f} seconds "
                    f"ago); {_ADVICE}; if it was killed, repeat the command after {DEAD:.0f} "
                    "seconds"
                )


def _signed(path: str) -> float:
    try:
        with files.opened(path) as file:
            return float(file.read())
    except Exception:  # each file system raises its own errors; the other run has just ended
        return 0.0
