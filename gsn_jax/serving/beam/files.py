"""Local files, and files on remote file systems (`gs://...`) through Beam's FileSystems."""

from __future__ import annotations

import contextlib
import os
import posixpath
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems

from gsn_jax import storage
from gsn_jax.errors import InputError
from gsn_jax.images import pair_tables
from gsn_jax.images.files import read_size


def join(folder: str, *names: str) -> str:
    """A path in a folder."""
    return (
        "/".join((folder.rstrip("/"), *names))
        if storage.is_url(folder)
        else os.path.join(folder, *names)
    )


def resolve(table: str, name: str) -> str:
    """The file that a table means by `name`: `pair_tables.resolve`, extended to URLs.

    Raises:
        InputError: a relative name leads out of the table's folder.
    """
    if storage.is_url(name):
        return name
    if not storage.is_url(table):
        return str(pair_tables.resolve(table, name))
    if posixpath.isabs(name):
        return name
    pair_tables.resolve("table.csv", name)  # raises if it leads out of the folder
    return f"{table.rpartition('/')[0]}/{posixpath.normpath(name)}"


@contextlib.contextmanager
def opened(path: str) -> Iterator[Any]:
    """Opens a file for reading bytes; compressed files are not decompressed.

    Raises:
        InputError: the file system is unknown.
    """
    try:
        file = FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED)
    except ValueError:
        raise _unknown(path) from None
    with contextlib.closing(file):
        yield file


def _unknown(path: str) -> InputError:
    scheme = path.partition("://")[0]
    return InputError(
        f"{path}: no file system for {scheme}:// is installed; for gs:// install "
        f"apache-beam[gcp], for s3:// apache-beam[aws], or mount it as a folder"
    )


def fetch(path: str, target: Path) -> None:
    """Copies a file to a local one."""
    with opened(path) as source, open(target, "wb") as copy:
        shutil.copyfileobj(source, copy)


@contextlib.contextmanager
def local_copy(path: str) -> Iterator[str]:
    """The path of a local file, or of a temporary copy of a remote one.

    Raises:
        InputError: a remote file cannot be read.
    """
    if not storage.is_url(path):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="gsn-") as folder:
        copy = Path(folder) / "copy"
        try:
            fetch(path, copy)
        except InputError:
            raise
        except Exception as error:
            raise InputError(f"{path}: cannot be read ({error})") from None
        try:
            yield str(copy)
        except InputError as error:
            raise InputError(str(error).replace(str(copy), path)) from None


def image_size(path: str) -> tuple[int, int] | None:
    """Height and width from an image's header; None if it cannot be read."""
    if not storage.is_url(path):
        return read_size(path)
    try:
        with opened(path) as file:
            return read_size(file)
    except Exception:  # the error is reported when the file is loaded
        return None


def stamp(path: str) -> str:
    """Size and modification time of a local file, to detect changes; "" for a remote one."""
    found = None if storage.is_url(path) else storage.stamp(path)
    return ":".join(map(str, found or ()))


def listing(folder: str) -> list[str]:
    """All files in and below a folder; none if there is no such folder.

    Raises:
        InputError: the file system is unknown.
    """
    if not storage.is_url(folder):
        return sorted(os.path.join(at, name) for at, _, names in os.walk(folder) for name in names)
    try:
        matches = FileSystems.match([join(folder, "**")])
    except ValueError:
        raise _unknown(folder) from None
    return sorted(found.path for found in matches[0].metadata_list)


def write(path: str, text: str) -> None:
    """Writes a file under a temporary name, then renames it."""
    aside = f"{path}.{os.urandom(4).hex()}.new"
    write_over(aside, text)
    FileSystems.rename([aside], [path])


def write_over(path: str, text: str) -> None:
    """Overwrites a file in place: not every file system can rename over an existing file."""
    with contextlib.closing(FileSystems.create(path)) as file:
        file.write(text.encode())


def delete(path: str) -> None:
    """Deletes a file."""
    FileSystems.delete([path])


def remove(folder: str) -> None:
    """Deletes a folder and everything in it."""
    if not storage.is_url(folder):
        shutil.rmtree(folder, ignore_errors=True)
    elif paths := listing(folder):
        FileSystems.delete(paths)
