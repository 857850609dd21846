"""A resumable store: keyed rows in a file, for runs that continue where they were interrupted.

The first line of the file describes the run: everything its rows depend on. Each further line is
one row; an incomplete row is dropped, and the last row of a key counts. `gsn score` keeps the
scores of an unfinished table this way, `gsn evaluate` those of a data set, and each Beam worker
those of the units it has finished.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from gsn_jax.storage import replacing

_FORMAT = "gsn_jax_rows"
_VERSION = 1

Key = int | str
Rows = dict[Key, Any]
Run = Mapping[str, Any]


def encode(run: Run, rows: Mapping[Any, Any]) -> bytes:
    """The content of a file: the run's description, then a line per row."""
    return b"".join([_line(_head(run)), *(_line([key, row]) for key, row in rows.items())])


def decode(content: bytes) -> tuple[Run | None, Rows, int]:
    """The run, the rows, and the length of the undamaged part of a file's content.

    The run is None, and the length 0, if the first line is not one that `encode` writes. Rows end
    at the first damaged line.
    """
    lines = content.splitlines(keepends=True)
    head = _parsed(lines[0]) if lines else None
    if not isinstance(head, dict) or head.pop(_FORMAT, None) != _VERSION:
        return None, {}, 0
    rows: Rows = {}
    end = len(lines[0])
    for line in lines[1:]:
        match _parsed(line):
            case [int() | str() as key, row]:
                rows[key] = row
            case _:
                break
        end += len(line)
    return head, rows, end


class Store:
    """Rows in a local file. Use `gsn_jax.storage.exclusive` if several processes may write it.

    Attributes:
        path: the file.
        rows: key to row.
        found: description of the run that the file held at first; None if there was no file or its
            first line is damaged.
    """

    def __init__(self, path: str | os.PathLike[str], run: Run):
        """Reads the rows that an earlier run with the same description has left.

        Args:
            path: the file, which need not exist.
            run: everything the rows depend on, as JSON. Rows of another run are ignored, and
                replaced when the first row is added.

        Raises:
            OSError: the file cannot be read.
        """
        self.path = Path(path)
        self.rows: Rows = {}
        self._run = run
        self._end = 0
        self._file: IO[bytes] | None = None
        try:
            with open(self.path, "rb", opener=_open_regular) as file:
                content = file.read()
        except FileNotFoundError:
            content = b""
        self.found, rows, end = decode(content)
        if self.found is not None and self.found == json.loads(json.dumps(run)):
            self.rows, self._end = rows, end

    def add(self, key: Key, row: Any) -> None:
        """Appends a row.

        Args:
            key: key of the row; an earlier row with this key no longer counts.
            row: any JSON.

        Raises:
            OSError: it cannot be written; earlier rows stay.
        """
        file, line = self._file or self._opened(), _line([key, row])
        file.write(line)
        file.flush()
        self._end += len(line)
        self.rows[key] = row

    def open(self) -> None:
        """Creates the file if there is none, and drops the rows of another run from it.

        Raises:
            OSError: it cannot be written; no file without a description stays.
        """
        if self._file is None:
            self._opened()

    def replace(self, rows: Mapping[Key, Any]) -> None:
        """Writes these rows in place of all others, atomically.

        Raises:
            OSError: they cannot be written; earlier rows stay.
        """
        self.close()
        content = encode(self._run, rows)
        with replacing(self.path) as partial:
            partial.write_bytes(content)
        self.rows, self._end = dict(rows), len(content)

    def close(self) -> None:
        """Closes the file; `add` opens it again."""
        if self._file is not None:
            with contextlib.suppress(OSError):  # `add` has reported a full disk
                self._file.close()
            self._file = None

    def _opened(self) -> IO[bytes]:
        self._file = open(self.path, "ab", opener=_open_regular)  # noqa: SIM115 - see close()
        file = self._file
        file.truncate(self._end)
        if not self._end:
            head = _line(_head(self._run))
            try:
                file.write(head)
                file.flush()
            except OSError:
                self.close()
                self.path.unlink(missing_ok=True)
                raise
            self._end = len(head)
        return file


def _head(run: Run) -> dict[str, Any]:
    return {_FORMAT: _VERSION, **run}


def _line(value: Any) -> bytes:
    return json.dumps(value).encode() + b"\n"


def _parsed(line: bytes) -> Any:
    """The value of a whole line; None for a damaged one."""
    try:
        return json.loads(line) if line.endswith(b"\n") else None
    except ValueError:
        return None


def _open_regular(path: str, flags: int) -> int:
    """Opens regular files only: links could lead to somebody else's file, and pipes could block."""
    descriptor = os.open(
        path, flags | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0), 0o666
    )
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(None, "is not a regular file")
    return descriptor
