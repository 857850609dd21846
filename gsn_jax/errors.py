"""The error raised for bad input, and the words of messages.

Anything that fails because of the input (a missing file, sizes that differ, a score that is not a
number) raises an `InputError`: one line that says what is wrong, where, and what to do. The command
line prints that line and exits with code 2; library users catch a `ValueError`.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Sequence

# `errno` of the `OSError` raised on writing to a full or failing disk.
DISK_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})

# `errno` of the `OSError` raised where a path may not be read or written, or cannot exist.
_REFUSED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.ELOOP, errno.ENAMETOOLONG})

_DISK_WORDS = re.compile("|".join(re.escape(os.strerror(code)) for code in sorted(DISK_ERRORS)))


_LISTED = 10  # that a message names


class InputError(ValueError):
    """Invalid input; `str(error)` is one line that says what is wrong and what to do."""

    def __init__(self, message: str):
        line = " ".join(message.split())
        # File names may contain bytes that are not UTF-8, which terminals and tables refuse.
        super().__init__(line.encode(errors="surrogateescape").decode(errors="backslashreplace"))


def about(where: str | os.PathLike[str], error: InputError) -> str:
    """The line of an error with `where` in front, unless it begins with that already."""
    start = f"{os.fspath(where)}: "
    return str(error) if str(error).startswith(start) else f"{start}{error}"


def refused_path(error: BaseException) -> str | None:
    """What the system refused to open, and why; None for an error that no path explains."""
    if not isinstance(error, OSError) or error.errno not in _REFUSED or not error.filename:
        return None
    return f"{os.fsdecode(error.filename)}: cannot be read or written ({error.strerror})"


def counted(count: int, noun: str) -> str:
    """A number of things, such as "1 pair" and "2 pairs"."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def listed(items: Sequence[str], separator: str = "; ") -> str:
    """The first ten of several texts, and how many more there are."""
    more = [f"and {len(items) - _LISTED} more"] if len(items) > _LISTED else []
    return separator.join([*items[:_LISTED], *more])


def out_of_memory(error: BaseException) -> bool:
    """Whether a computation failed because the memory of the host or a device ran out."""
    return isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error)


def unexpected(error: Exception) -> str:
    """Why a pair was not scored, where no `InputError` says so."""
    if out_of_memory(error):
        return "not enough memory for an image of this size; reduce or crop it"
    return f"could not be scored ({type(error).__name__}: {str(error)[:300]})"


def disk_failure(error: BaseException) -> str | None:
    """Why writing to a disk failed, e.g. "No space left on device"; None for any other error.

    C++ libraries (Orbax, ArrayRecord) raise a ValueError or RuntimeError with the same words.
    """
    if isinstance(error, OSError):
        return error.strerror if error.errno in DISK_ERRORS else None
    found = _DISK_WORDS.search(str(error))
    return found[0] if found else None
