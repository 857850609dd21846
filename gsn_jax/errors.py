"""The error a user can do something about.

Everything that goes wrong because of what was given (a missing file, sizes that differ, a score
that is not a number) is an `InputError`: one line that says what is wrong, where, and what to do.
The command line prints that line and exits with code 2; library users catch a `ValueError`.
"""

from __future__ import annotations


class InputError(ValueError):
    """Something about the given input is wrong; `str(error)` is one line for the user."""

    def __init__(self, message: str):
        line = " ".join(message.split())
        # File names may hold bytes that are not UTF-8, which no terminal or table takes.
        super().__init__(line.encode(errors="surrogateescape").decode(errors="backslashreplace"))
