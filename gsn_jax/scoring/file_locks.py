"""Locks on open files. The system drops them when a process ends, however it ends."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from typing import IO

from gsn_jax.errors import InputError

# What file systems without locks answer.
_NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP})

# What to do where another run has a folder.
ADVICE = "wait for it, or name another folder"


@contextlib.contextmanager
def alone(path: str | os.PathLike[str], where: str = "") -> Iterator[None]:
    """Keeps a folder to this run while the context lasts, by an empty file in it that stays.

    Args:
        path: of that file; its folder exists.
        where: how the error begins, with the folder as the user named it.

    Raises:
        InputError: another run has it.
        OSError: the file cannot be made.
    """
    with open(path, "ab") as file:
        if not lock(file):
            raise InputError(f"{where}another run is writing this folder; {ADVICE}")
        yield


def lock(file: IO[bytes]) -> bool:
    """Locks a file for as long as it is open.

    Returns:
        False where somebody else has it; True also where there are no locks.
    """
    try:
        import fcntl
    except ImportError:  # not on this system
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
    return True
