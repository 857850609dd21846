"""Folders of runs and models, on a disk or in a bucket of Google Cloud Storage; and of caches."""

from __future__ import annotations

import importlib.util
import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from gsn_jax.errors import InputError


def is_url(path: str | os.PathLike[str]) -> bool:
    """Whether a path names something that is not on a disk, such as `gs://bucket/folder`."""
    return "://" in os.fspath(path)


def user_cache(environ: Mapping[str, str] = os.environ) -> Path:
    """The folder of the user's caches: `XDG_CACHE_HOME`, or the system's own."""
    given = Path(environ.get("XDG_CACHE_HOME", ""))
    if given.is_absolute():
        return given
    if platform.system() == "Darwin":
        return Path("~/Library/Caches").expanduser()
    return Path("~/.cache").expanduser()


def folder(path: str | os.PathLike[str]) -> Path:
    """A folder as an absolute path; one of a bucket as the `etils.epath.Path` that acts as a path.

    In a bucket a file appears whole, whatever happens while it is written. A folder exists only by
    the files in it, and cannot be renamed at once.

    Raises:
        InputError: checkpoints cannot be stored there, or a package is missing.
    """
    if not is_url(path):
        return Path(path).absolute()
    if not os.fspath(path).startswith("gs://"):
        raise InputError(
            f"{path}: runs and models are kept in folders and at gs://BUCKET/FOLDER only; mount "
            "other storage as a folder"
        )
    if importlib.util.find_spec("gcsfs") is None:
        raise InputError(f"{path}: gs:// needs another package: pip install 'gsn_jax[gcs]'")
    from etils import epath

    return cast(Path, epath.Path(os.fspath(path)))
