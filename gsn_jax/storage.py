"""Folders of runs and models, on a disk or in Google Cloud Storage; writing files, and locks."""

from __future__ import annotations

import contextlib
import csv
import errno
import importlib.util
import io
import os
import platform
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from gsn_jax.errors import InputError

# `errno` of the errors raised by file systems without locks.
_NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP})


def is_url(path: str | os.PathLike[str]) -> bool:
    """Whether a path is a URL, such as `gs://bucket/folder`, and not on a disk."""
    return "://" in os.fspath(path)


def user_cache(environ: Mapping[str, str] = os.environ) -> Path:
    """The user's cache folder: `XDG_CACHE_HOME`, or the default of the operating system.

    Raises:
        InputError: there is neither that variable nor a home folder.
    """
    given = Path(environ.get("XDG_CACHE_HOME", ""))
    if given.is_absolute():
        return given
    try:
        home = Path.home()
    except RuntimeError:
        raise InputError("you have no home folder; set XDG_CACHE_HOME to a folder") from None
    return home / ("Library/Caches" if platform.system() == "Darwin" else ".cache")


def folder(path: str | os.PathLike[str]) -> Path:
    """A folder as an absolute path; in a bucket, as an `etils.epath.Path`, which behaves like one.

    In a bucket, files are written atomically. A folder exists only through the files in it, and
    cannot be renamed atomically.

    Raises:
        InputError: checkpoints cannot be stored there, or a package is missing.
    """
    if not is_url(path):
        return Path(path).absolute()
    if not os.fspath(path).startswith("gs://"):
        raise InputError(
            f"{path}: runs and models can only be kept in folders and at gs://BUCKET/FOLDER; mount "
            "other storage as a folder"
        )
    if importlib.util.find_spec("gcsfs") is None:
        raise InputError(f"{path}: gs:// needs another package: pip install 'gsn_jax[gcs]'")
    from etils import epath

    return cast(Path, epath.Path(os.fspath(path)))


@contextlib.contextmanager
def exclusive(
    path: str | os.PathLike[str], refusal: str, *, remove: bool = False, wait: float = 0
) -> Iterator[None]:
    """Holds a lock while the context lasts.

    The operating system releases the lock however the process ends. On file systems without locks,
    nothing is locked.

    Args:
        path: an empty file to create for the lock, in an existing folder.
        refusal: the error message if another process holds the lock.
        remove: whether to delete the file at the end.
        wait: seconds to wait for another process.

    Raises:
        InputError: another process holds the lock.
        OSError: the file cannot be created.
    """
    import filelock

    lock = filelock.FileLock(path, timeout=wait)
    try:
        lock.acquire()
    except filelock.Timeout:
        raise InputError(refusal) from None
    except (NotImplementedError, OSError) as error:
        if isinstance(error, OSError) and error.errno not in _NO_LOCKS:
            raise
    try:
        yield
    finally:
        if remove:
            with contextlib.suppress(OSError):
                os.unlink(path)
        lock.release()


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str], *, shared: bool = False) -> Iterator[Path]:
    """Yields a temporary path in the same folder, whose file replaces `path` atomically at the end.

    Args:
        path: the file to replace.
        shared: whether other processes may write the same file at the same time. If not, the
            temporary file of a killed process is removed.

    Raises:
        OSError: a file cannot be written or replaced.
    """
    target = Path(path)
    mark = f".{os.getpid()}" if shared else ""
    partial = target.with_name(f".{target.name}{mark}.new")
    partial.unlink(missing_ok=True)  # it could be a link to somebody else's file
    try:
        yield partial
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def stamp(file: str | os.PathLike[str] | None) -> list[int] | None:
    """Size and modification time of a file, to detect changes; None if there is no file."""
    with contextlib.suppress(OSError, ValueError):
        if file is not None:
            state = os.stat(file)
            return [state.st_size, state.st_mtime_ns]
    return None


def write_text(path: Path, text: str) -> None:
    """Writes a UTF-8 text file atomically, on a disk or in a bucket."""
    if is_url(path):
        path.write_text(text, encoding="utf-8")
        return
    with replacing(path, shared=True) as partial:
        partial.write_text(text, encoding="utf-8", newline="")


def csv_text(rows: Iterable[Iterable[Any]]) -> str:
    """Rows, including the header, as a CSV table."""
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows(rows)
    return file.getvalue()
