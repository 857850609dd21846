"""Data sets by name: lists, prepares and opens them."""

from __future__ import annotations

import contextlib
import importlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_pipelines import remote
from data_pipelines.sources import PairSource
from gsn_jax import storage
from gsn_jax.errors import InputError, disk_failure

if TYPE_CHECKING:
    from data_pipelines.builders.base import PairBuilder
    from data_pipelines.builders.inputs import Progress

# name -> class in the module of the same name in `data_pipelines.builders`
_BUILDERS = {
    "tid2013": "Tid2013",
    "kadid10k": "Kadid10k",
    "csiq": "Csiq",
    "live_iqa": "LiveIqa",
    "pipal": "Pipal",
    "iqa_table": "IqaTable",
    "tid2013_regenerated": "Tid2013Regenerated",
}


def names() -> tuple[str, ...]:
    """The names of all data sets."""
    return tuple(_BUILDERS)


def check_name(name: str) -> None:
    """Refuses a name of no data set.

    Raises:
        InputError: there is no such data set.
    """
    if name not in _BUILDERS:
        raise InputError(f"no data set {name!r}; choose from {', '.join(_BUILDERS)}")


def builder(
    name: str, data_dir: str | os.PathLike[str] | None = None, **options: Any
) -> PairBuilder:
    """The TFDS builder of a data set.

    Args:
        name: one of `names()`.
        data_dir: folder or URL of the prepared sets; by default TFDS's folder (environment
            variable `TFDS_DATA_DIR`, or `~/tensorflow_datasets`).
        **options: other arguments of the builder.

    Raises:
        InputError: there is no such data set, its prepared files are damaged, or `data_dir` is a
            URL and does not hold it.
    """
    check_name(name)
    module = importlib.import_module(f"data_pipelines.builders.{name}")
    data_dir = data_dir or os.environ.get("TFDS_DATA_DIR")
    if data_dir and storage.is_url(data_dir):
        copy = remote.local_folder(f"{os.fspath(data_dir).rstrip('/')}/{name}")
        if copy is None:
            raise InputError(
                f"data set {name} is not in {data_dir}; prepare it in a folder, and copy that "
                "folder there"
            )
        data_dir = copy.parent
    folder = None if data_dir is None else os.path.abspath(os.path.expanduser(data_dir))
    with _damage_named(name, data_dir):
        return getattr(module, _BUILDERS[name])(data_dir=folder, **options)


def load(
    name: str, split: str = "train", data_dir: str | os.PathLike[str] | None = None
) -> PairSource:
    """Opens a prepared data set for random access to its pairs.

    Args:
        name: one of `names()`.
        split: `"train"` for the pairs that may be trained on, `"all"` for every pair; some sets
            have more splits (`"reserved"` of `tid2013_regenerated`).
        data_dir: see `builder`.

    Raises:
        InputError: there is no such data set or split, or the set is not prepared or is
            damaged.
    """
    found = builder(name, data_dir)
    if not found.is_prepared():
        raise InputError(
            f"data set {name} is not prepared in {found.data_dir}; "
            f"run gsn datasets prepare {name} --manual-dir DIR"
        )
    with _damage_named(name, found.data_dir):
        return found.as_data_source(split)


@contextlib.contextmanager
def _damage_named(name: str, folder: str | os.PathLike[str] | None) -> Iterator[None]:
    """Turns whatever TFDS raises on damaged files of a prepared set into `InputError`."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise InputError(
            f"data set {name} in {folder or 'the folder of prepared sets'}: damaged ({reason}); "
            "remove its folder and prepare it again"
        ) from error


def prepare(
    name: str,
    manual_dir: str | os.PathLike[str],
    data_dir: str | os.PathLike[str] | None = None,
    *,
    progress: Progress | None = None,
    **options: Any,
) -> PairBuilder:
    """Verifies the authors' files and stores them for `load`; a prepared set is left as it is.

    Args:
        name: one of `names()`.
        manual_dir: the folder with the downloaded data, as archives or unpacked.
        data_dir: see `builder`.
        progress: called as `progress(stage, done, total)`.
        **options: other arguments of the builder.

    Raises:
        InputError: something is missing or wrong; the message lists it, and nothing is stored.
            Or the set was prepared from another table or with other options, another process is
            preparing it, the disk is full, or `data_dir` is a URL.
    """
    import tensorflow_datasets as tfds

    where = data_dir or os.environ.get("TFDS_DATA_DIR", "")
    if storage.is_url(where):
        raise InputError(
            f"{where}: data sets are prepared in a local folder; give one with --data-dir, then "
            "copy it there"
        )
    found = builder(name, data_dir, progress=progress, **options)
    source = Path(manual_dir).expanduser()
    if found.is_prepared():
        found.check_same(source)
        return found
    if not source.exists():
        raise InputError(f"{source}: no such folder; {found.MANUAL_DOWNLOAD_INSTRUCTIONS}")
    tfds.disable_progress_bar()
    with (
        _on_a_disk_with_room(Path(found.data_dir)),
        _alone(Path(found.data_dir)),
        tempfile.TemporaryDirectory() as downloads,
    ):
        found.download_and_prepare(
            download_dir=downloads,
            download_config=tfds.download.DownloadConfig(
                manual_dir=source.resolve(), try_download_gcs=False
            ),
        )
    return found


@contextlib.contextmanager
def _on_a_disk_with_room(folder: Path) -> Iterator[None]:
    """Raises `InputError` if the disk is full or fails."""
    try:
        yield
    except Exception as error:
        reason = disk_failure(error)
        if reason is None:
            raise
        raise InputError(
            f"{folder}: cannot be written ({reason}); free some space, or choose another --data-dir"
        ) from error


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Locks the preparation of a set and removes what a killed one left behind.

    Raises:
        InputError: another preparation is running.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    refusal = f"{folder.parent}: another process is preparing it; wait for it"
    try:
        with storage.exclusive(folder.parent / ".lock", refusal, remove=True):
            for left in folder.parent.glob(f"incomplete.*_{folder.name}"):
                shutil.rmtree(left, ignore_errors=True)
            yield
    finally:
        with contextlib.suppress(OSError):  # not empty if it holds this or another version
            folder.parent.rmdir()
