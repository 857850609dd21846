"""Protects existing files: a command replaces its own output, and other files only if told to."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from gsn_jax.errors import InputError, disk_failure
from gsn_jax.scoring.store import decode
from gsn_jax.storage import exclusive, replacing


def is_regular(path: str | os.PathLike[str]) -> bool:
    """Whether `path` can be replaced atomically: True for a regular or a new file."""
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except OSError:
        return True


def check_place(
    path: str | os.PathLike[str],
    inputs: Iterable[Path | None],
    folders: Iterable[str | os.PathLike[str]] = (),
) -> None:
    """Refuses, before the work, an output that cannot be written or is an input.

    Args:
        path: the output.
        inputs: files that are read.
        folders: folders that are read, which must not contain the output.

    Raises:
        InputError: the output is a folder or one of the inputs, its folder is missing or not
            writable, or it lies in one of the folders.
    """
    target = Path(path)
    if target.is_dir():
        raise InputError(f"{path}: is a folder; name a file")
    if not target.parent.is_dir():
        raise InputError(f"{path}: no such folder {target.parent}; create it first")
    if is_regular(target) and not os.access(target.parent, os.W_OK):
        raise InputError(f"{path}: cannot be written (Permission denied)")
    real = os.path.realpath(target)
    if target.exists() and any(file and os.path.realpath(file) == real for file in inputs):
        raise InputError(f"{path}: is an input of this command; name another output")
    for folder in folders:
        if Path(real).is_relative_to(os.path.realpath(folder)):
            raise InputError(f"{path}: lies in the input folder {folder}; write it elsewhere")


@contextlib.contextmanager
def naming(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turns a file system error into an `InputError` that names the path.

    Raises:
        InputError: the path cannot be written.
    """
    try:
        yield
    except OSError as error:
        raise InputError(f"{path}: {unwritten(error)}") from None


def unwritten(error: OSError) -> str:
    """Why a file cannot be written and, if its disk is full or fails, what to do."""
    advice = "" if disk_failure(error) is None else "; free some space, or write to another disk"
    return f"cannot be written ({error.strerror or error}){advice}"


@contextlib.contextmanager
def writing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yields a temporary path, which is renamed to `path` at the end. Devices are written directly.

    Raises:
        InputError: the file cannot be written.
    """
    with naming(path):
        if is_regular(path):
            with replacing(path) as partial:
                yield partial
        else:
            yield Path(path)


@contextlib.contextmanager
def alone(folder: Path, lock: str, *, remove: bool = False) -> Iterator[None]:
    """Makes a folder, and admits one run at a time to it. A folder that stays empty is removed.

    Args:
        folder: the folder.
        lock: name of the lock file in it.
        remove: delete the lock file at the end.

    Raises:
        InputError: another run uses the folder, or it cannot be written.
    """
    refusal = (
        f"{folder}: another run is writing to this folder; wait for it, or name another folder"
    )
    with contextlib.ExitStack() as stack:
        with naming(folder):
            if not folder.exists():
                stack.callback(_remove_if_empty, folder)
            folder.mkdir(parents=True, exist_ok=True)
            stack.enter_context(exclusive(folder / lock, refusal, remove=remove))
        yield


def _remove_if_empty(folder: Path) -> None:
    with contextlib.suppress(OSError):
        folder.rmdir()


def refuse_foreign(
    path: str | os.PathLike[str], is_ours: Callable[[Path], bool], *, overwrite: bool
) -> None:
    """Refuses, before the work, to overwrite a file that the command did not write.

    New and empty files, and devices, are allowed.

    Args:
        path: the output.
        is_ours: says whether the command wrote a regular file.
        overwrite: whether the user allows it.

    Raises:
        InputError: the command did not write the file, and `overwrite` is False.
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
    """Whether a file is the description that `write_scores` puts beside a CSV table."""
    return set(json.loads(path.read_text(encoding="utf-8"))) == {"versions", "protocol", "columns"}


def is_junit(path: Path) -> bool:
    """Whether a file is JUnit XML written by `gsn_jax.scoring.junit`."""
    with open(path, "rb") as file:
        return b'<testsuites name="gsn score"' in file.read(200)


def is_report(path: Path) -> bool:
    """Whether a file is a report written by `--report`."""
    return b'content="gsn_jax ' in path.read_bytes()


def is_store(path: Path, keys: Iterable[str]) -> bool:
    """Whether a file is a store whose run has exactly these keys."""
    run, _, _ = decode(path.read_bytes())
    return run is not None and set(run) == set(keys)


def is_submission(path: Path) -> bool:
    """Whether a file is the ZIP file of a submission."""
    with zipfile.ZipFile(path) as archive:
        return set(archive.namelist()) == {"output.txt", "readme.txt"}


def _is_parquet_of_scores(path: Path) -> bool:
    import pyarrow.parquet

    return b"gsn_jax" in (pyarrow.parquet.read_schema(path).metadata or {})
