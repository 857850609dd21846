"""The error that bad input raises.

Whatever goes wrong because of the input (a missing file, sizes that differ, a score that is not a
number) is an `InputError`: one line that says what is wrong, where, and what to do. The command
line prints that line and exits with code 2; library users catch a `ValueError`.
"""

from __future__ import annotations

import errno
import os
import re

# Codes of the `OSError` that writing to a full or failing disk raises.
DISK_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})

_DISK_WORDS = re.compile("|".join(re.escape(os.strerror(code)) for code in sorted(DISK_ERRORS)))


class InputError(ValueError):
    """Invalid input; `str(error)` is one line that says what is wrong and what to do."""

    def __init__(self, message: str):
        line = " ".join(message.split())
        # File names may contain bytes that are not UTF-8, which terminals and tables refuse.
        super().__init__(line.encode(errors="surrogateescape").decode(errors="backslashreplace"))


def disk_failure(error: BaseException) -> str | None:
    """Why a disk could not be written, such as "No space left on device"; None of another error.

    Libraries in C++ (Orbax, ArrayRecord) raise a ValueError or RuntimeError with such words.
    """
    if isinstance(error, OSError):
        return error.strerror if error.errno in DISK_ERRORS else None
    found = _DISK_WORDS.search(str(error))
    return found[0] if found else None
