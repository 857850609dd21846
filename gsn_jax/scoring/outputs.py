"""Protects existing files: a command replaces its own output, and others only if told to."""

from __future__ import annotations

import json
import os
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

from gsn_jax.errors import InputError


def refuse_foreign(
    path: str | os.PathLike[str], is_ours: Callable[[Path], bool], *, overwrite: bool
) -> None:
    """Refuses, before the work, to overwrite a file that the command did not write.

    New and empty files, and devices, are allowed.

    Args:
        path: the output.
        is_ours: whether a regular file is one that the command wrote.
        overwrite: whether the user allows it.

    Raises:
        InputError: the file is somebody else's, and `overwrite` is False.
    """
    target = Path(path)
    try:
        state = os.stat(target)
    except OSError:
        return
    if overwrite or not stat.S_ISREG(state.st_mode) or not state.st_size:
        return
    try:
        ours = is_ours(target)
    except Exception:  # reading a file of any kind may raise anything
        ours = False
    if not ours:
        raise InputError(
            f"{path}: exists, and this command did not write it; name another output, or add "
            "--overwrite"
        )


def is_score_table(path: Path) -> bool:
    """Whether a file is a table of scores in CSV, JSON Lines or Parquet."""
    with open(path, "rb") as file:
        start = file.read(4)
        if start == b"PAR1":
            return _is_parquet_of_scores(path)
        line = (start + file.readline(2**20)).decode("utf-8").rstrip("\r\n")
    if line.startswith("{"):
        return {"reference", "distorted", "error", "versions"} <= set(json.loads(line))
    names = line.split(",")
    return names[:2] == ["reference", "distorted"] and names[-1] == "error" and len(names) > 3


def is_description_of_scores(path: Path) -> bool:
    """Whether a file is the one that `write_scores` puts beside a CSV table."""
    return set(json.loads(path.read_text(encoding="utf-8"))) == {"versions", "protocol", "columns"}


def is_submission(path: Path) -> bool:
    """Whether a file is the ZIP file of a submission."""
    with zipfile.ZipFile(path) as archive:
        return set(archive.namelist()) == {"output.txt", "readme.txt"}


def _is_parquet_of_scores(path: Path) -> bool:
    import pyarrow.parquet

    return b"gsn_jax" in (pyarrow.parquet.read_schema(path).metadata or {})
