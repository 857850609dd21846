"""Locks on open files. The system drops them when a process ends, however it ends."""

from __future__ import annotations

import errno
from typing import IO

# What file systems without locks answer.
_NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP})


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
