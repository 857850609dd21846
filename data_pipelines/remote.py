"""Tables and prepared sets at URLs, copied to this machine's disk before they are read.

Training reads every image in every epoch, in random order, and each request to a bucket takes tens
of milliseconds. So each file is fetched once, and again only if it has changed at the URL.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import functools
import hashlib
import itertools
import json
import posixpath
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from gsn_jax.errors import InputError, disk_failure, listed
from gsn_jax.images import pair_tables
from gsn_jax.storage import replacing, user_cache, write_text

_VERSIONS = ".versions.json"  # the storage's version identifier of each copied file
_AT_ONCE = 32  # concurrent requests, which mostly wait
_PART = 1000  # files per part; a stopped copy resumes after the last whole part


def local_table(url: str) -> Path:
    """Copies a pairs table and the images that it names; returns the copy of the table.

    Args:
        url: URL of the table on any storage that fsspec supports, such as
            `gs://BUCKET/FOLDER/pairs.csv`.

    Raises:
        InputError: the table or an image cannot be read, or an image lies outside the
            table's folder.
    """
    storage, path = _open(url)
    where, name = posixpath.split(path)
    with _copies(url.rpartition("/")[0]) as folder:
        table = folder / name
        _fetch(storage, url, folder, {path: table})
        names = _names(url, table)
        images = {posixpath.join(where, image): folder / image for image in names}
        _fetch(storage, url, folder, images)
    return table


def local_folder(url: str) -> Path | None:
    """Copies all files below a folder; returns the copy, or None if there are no files.

    Raises:
        InputError: a file cannot be read, or its name leads out of the folder, which names in a
            bucket can.
    """
    storage, path = _open(url)
    with _readable(url):
        files = storage.find(path)
    if not files:
        return None
    names = {file: posixpath.relpath(file, path) for file in files}
    for file, name in names.items():
        if _leads_out(name):
            raise InputError(f"{url}: the name {file} leads out of this folder; rename the file")
    with _copies(url) as folder:
        copies = {file: folder / name for file, name in names.items()}
        _fetch(storage, url, folder, copies)
    return folder


def _open(url: str) -> tuple[Any, str]:
    import fsspec.core

    with _readable(url):
        return fsspec.core.url_to_fs(url)


def _names(url: str, table: Path) -> Iterable[str]:
    """The image paths in a table, relative to it; broken rows are left to the table's reader."""
    names: dict[str, None] = {}
    for row in pair_tables.read_rows(table):
        for column in () if row.problem else ("reference", "distorted"):
            name = posixpath.normpath(row.fields[column])
            if posixpath.isabs(name) or "://" in row.fields[column] or _leads_out(name):
                raise InputError(
                    f"{url}, line {row.line}: {row.fields[column]} is not below the table's "
                    "folder; move the image there and give its relative path"
                )
            names[name] = None
    return names


def _leads_out(name: str) -> bool:
    """Whether a normalised relative path leaves its folder."""
    return name.split("/")[0] == ".."


@contextlib.contextmanager
def _copies(url: str) -> Iterator[Path]:
    """The folder for copies of the files below a URL, locked by this process."""
    import filelock

    name = hashlib.sha256(url.rstrip("/").encode()).hexdigest()[:16]
    folder = user_cache() / "gsn_jax" / "copies" / name / posixpath.basename(url.rstrip("/"))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(folder.parent / ".lock"):
            yield folder
    except OSError as error:
        reason = disk_failure(error) or error.strerror
        raise InputError(
            f"{folder}: cannot be written ({reason}); set XDG_CACHE_HOME to another folder for "
            f"the copies of {url}"
        ) from None


def _fetch(storage: Any, url: str, folder: Path, wanted: Mapping[str, Path]) -> None:
    """Copies the files that are missing from the folder or have changed."""
    missing: list[str] = []
    items = iter(wanted.items())
    while part := list(itertools.islice(items, _PART)):
        known = _read_versions(folder)
        with _readable(url), concurrent.futures.ThreadPoolExecutor(_AT_ONCE) as pool:
            found = list(
                pool.map(functools.partial(_fetch_one, storage, known), *zip(*part, strict=True))
            )
        for (path, _), version in zip(part, found, strict=True):
            if version is None:
                missing.append(path)
            known[path] = version
        write_text(folder / _VERSIONS, json.dumps(known))
    if missing:
        raise InputError(f"{url}: no such files: {listed(missing, ', ')}")


def _fetch_one(storage: Any, known: Mapping[str, Any], path: str, file: Path) -> str | None:
    """Copies a file unless it is up to date; returns its version, or None if it does not exist."""
    try:
        version = str(storage.ukey(path))
        if known.get(path) != version or not file.is_file():
            file.parent.mkdir(parents=True, exist_ok=True)
            with replacing(file, shared=True) as partial:
                storage.get_file(path, str(partial))
    except FileNotFoundError:
        return None
    return version


def _read_versions(folder: Path) -> dict[str, Any]:
    try:
        return dict(json.loads((folder / _VERSIONS).read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}


@contextlib.contextmanager
def _readable(url: str) -> Iterator[None]:
    """Turns errors of a storage into `InputError`; the caller reports a full disk."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # every storage has errors of its own
        if disk_failure(error):
            raise
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"{url}: cannot be read ({reason})") from error
