"""Encodes photographs at several qualities, in parallel, and continues where it stopped.

The files lie in `FOLDER/encoded/CODEC/`. `FOLDER/encoded.jsonl` says how each was made; a file that
is named there and is still there is not made again.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import functools
import math
import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

import numpy as np
from PIL import Image

from gsn_jax.errors import InputError
from gsn_jax.images.files import load_image
from gsn_jax.rate_distortion.codecs import Codec, Pixels, suffix_of
from gsn_jax.rate_distortion.encodings import Encoding
from gsn_jax.rate_distortion.scoring import Progress
from gsn_jax.scoring.folders import list_images
from gsn_jax.scoring.outputs import is_store, naming, refuse_foreign
from gsn_jax.scoring.pairs import Pair, shown
from gsn_jax.scoring.store import Store, replacing

STORE = "encoded.jsonl"
FILES = "encoded"

# Of the store; each row says itself what it depends on.
_RUN = {"encodings": 1}


@dataclasses.dataclass(frozen=True)
class Photo:
    """A photograph to encode.

    Attributes:
        path: of the file.
        name: relative path below which its encoded versions are named, without suffix.
    """

    path: Path
    name: str


@dataclasses.dataclass(frozen=True)
class _Job:
    photo: Photo
    codec: Codec
    quality: float
    folder: Path

    @property
    def key(self) -> str:
        return f"{self.codec.name}/{self.photo.name}_q{self.quality:g}"


def find_photos(
    sources: Sequence[str | os.PathLike[str]], skip: Sequence[Path] = ()
) -> list[Photo]:
    """The photographs of folders, with those below them, and of single files.

    Args:
        sources: folders and files.
        skip: folders to leave out.

    Raises:
        InputError: a source does not exist or cannot be read, there is no photograph, or two have
            the same name.
    """
    found: list[tuple[Path, PurePath]] = []
    for source in map(Path, sources):
        if source.is_dir():
            found += [(source / name, name) for name in list_images(source, skip)]
        elif not source.exists():
            raise InputError(f"{shown(source)}: no such file or folder; check the path")
        else:
            found.append((source, PurePath(source.name)))
    if not found:
        raise InputError(f"{', '.join(map(str, sources))}: holds no images")
    stems = [name.with_suffix("").as_posix() for _, name in found]
    photos = [
        Photo(path, stem if stems.count(stem) == 1 else name.as_posix())
        for (path, name), stem in zip(found, stems, strict=True)
    ]
    names = [photo.name for photo in photos]
    if twice := [name for name in names if names.count(name) > 1]:
        raise InputError(f"two photographs are called {twice[0]}; give one folder above both")
    return photos


def check_folder(folder: Path, *, overwrite: bool) -> None:
    """Refuses, before the work, to write among encoded files that are not of `gsn rd`.

    Raises:
        InputError: `folder/encoded` holds files and `folder/encoded.jsonl` does not say how they
            were made, and `overwrite` is False.
    """
    if overwrite:
        return
    store, files = folder / STORE, folder / FILES
    refuse_foreign(store, lambda path: is_store(path, _RUN), overwrite=False)
    if not store.exists() and files.is_dir() and any(files.iterdir()):
        raise InputError(
            f"{files}: exists, and this command did not write it; name another output, or add "
            "--overwrite"
        )


def encode_all(
    photos: Sequence[Photo],
    codecs: Mapping[Codec, Sequence[float]],
    folder: Path,
    *,
    workers: int | None = None,
    progress: Progress = lambda done, total: None,
) -> list[Encoding]:
    """Encodes every photograph with every codec at its qualities.

    Args:
        photos: what to encode.
        codecs: each codec with its qualities.
        folder: where the files are kept; it exists.
        workers: number of processes; by default one per core.
        progress: called with the number of files that are done and of all files.

    Returns:
        One encoding per codec, photograph and quality, in this order. One that failed carries its
        problem.

    Raises:
        InputError: a file cannot be written.
    """
    jobs = [
        _Job(photo, codec, quality, folder)
        for codec, qualities in codecs.items()
        for photo in photos
        for quality in qualities
    ]
    identities = {codec.name: codec.identity() for codec in codecs}
    with naming(folder / STORE):
        store = Store(folder / STORE, _RUN)
        store.open()
    rows = {job.key: _kept(store, job, identities) for job in jobs}
    missing = [job for job in jobs if rows[job.key] is None]
    done = len(jobs) - len(missing)
    progress(done, len(jobs))
    try:
        for job, row in _in_parallel(missing, workers):
            rows[job.key] = row
            if "error" not in row:
                row |= {"source": _stamp(job.photo.path), "identity": identities[job.codec.name]}
                with naming(store.path):
                    store.add(job.key, row)
            done += 1
            progress(done, len(jobs))
    finally:
        store.close()
    return [_encoding(job, rows[job.key] or {}) for job in jobs]


def _kept(store: Store, job: _Job, identities: Mapping[str, str]) -> dict[str, Any] | None:
    row = store.rows.get(job.key)
    match row:
        case {
            "file": str(file),
            "scored": str(scored),
            "size": int(size),
            "identity": identity,
            "source": source,
        }:
            same = (
                identity == identities[job.codec.name]
                and source == _stamp(job.photo.path)
                and _size(job.folder / file) == size
                and (job.folder / scored).exists()
            )
            return row if same else None
    return None


def _encoding(job: _Job, row: Mapping[str, Any]) -> Encoding:
    setting = f"{job.quality:g}"
    name = str(job.photo.path)
    if "error" in row:
        pair = Pair(name, job.key, None, None, row["error"])
        return Encoding(pair, job.codec.name, setting, 0, 0)
    scored = job.folder / row["scored"]
    return Encoding(
        Pair(name, str(scored), job.photo.path, scored),
        job.codec.name,
        setting,
        row["size"],
        row["pixels"],
        *row["seconds"],
    )


def _in_parallel(
    jobs: Sequence[_Job], workers: int | None
) -> Iterator[tuple[_Job, dict[str, Any]]]:
    """The rows of jobs as they are done; when the caller stops, the others are not begun."""
    count = min(workers or len(os.sched_getaffinity(0)), len(jobs))
    if count <= 1:
        yield from ((job, _encode(job)) for job in jobs)
        return
    executor = concurrent.futures.ProcessPoolExecutor(
        count, multiprocessing.get_context("spawn"), _begin
    )
    try:
        futures = {executor.submit(_encode, job): job for job in jobs}
        for future in concurrent.futures.as_completed(futures):
            yield futures[future], future.result()
    except concurrent.futures.process.BrokenProcessPool:
        raise InputError(
            "a process that encodes has ended (no memory left?); run again with fewer --workers"
        ) from None
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


def _begin() -> None:
    """Starts a worker: Ctrl-C is the parent's, and the worker ends with the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    sentinel = parent.sentinel

    def watch() -> None:
        multiprocessing.connection.wait([sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _encode(job: _Job) -> dict[str, Any]:
    """Makes the file of a job, and the PNG to score where the file itself cannot be read."""
    try:
        image = load_8_bit(job.photo.path)
        started = time.perf_counter()
        data = job.codec.encode(image, job.quality)
        encoded = time.perf_counter()
        decoded = job.codec.decode(data)
        seconds = [encoded - started, time.perf_counter() - encoded]
        check_size(decoded, image, job.codec.name)
        file = f"{FILES}/{job.key}{suffix_of(data, f'.{job.codec.name}')}"
        scored = file
        (job.folder / file).parent.mkdir(parents=True, exist_ok=True)
        with replacing(job.folder / file) as partial:
            partial.write_bytes(data)
        if not job.codec.is_readable(data):
            scored = f"{FILES}/{job.key}.decoded.png"
            with replacing(job.folder / scored) as partial:
                Image.fromarray(decoded).save(partial, "PNG", compress_level=4)
    except InputError as error:
        return {"error": f"{job.photo.path}: {error}"}
    except OSError as error:
        return {"error": f"{job.key}: cannot be written ({error.strerror or error})"}
    height, width = image.shape[:2]
    return {
        "file": file,
        "scored": scored,
        "size": len(data),
        "pixels": height * width,
        "seconds": seconds,
    }


def check_size(decoded: Pixels, image: Pixels, codec: str) -> None:
    """Raises `InputError` if a codec has changed the size of an image, or its channels."""
    if decoded.shape != image.shape:
        raise InputError(
            f"{codec} gives {' x '.join(map(str, decoded.shape))} values for an image of "
            f"{' x '.join(map(str, image.shape))}; it must keep the size and give RGB"
        )


def load_8_bit(path: Path) -> Pixels:
    """A photograph as uint8 sRGB, which is what all codecs here take.

    Raises:
        InputError: see `gsn_jax.images.load_image`.
    """
    return _load_8_bit(path, tuple(_stamp(path) or ()))


@functools.lru_cache(maxsize=2)
def _load_8_bit(path: Path, stamp: tuple[int, ...]) -> Pixels:
    """`load_8_bit`, kept for the next qualities of the same photograph until the file changes."""
    image = load_image(path)
    return image if image.dtype == np.uint8 else np.round(255 * image).astype(np.uint8)


def parse_qualities(texts: Sequence[str], codecs: Sequence[str]) -> dict[str, list[float]]:
    """The qualities of every codec.

    Args:
        texts: `[CODEC=]FIRST:LAST:STEP` or `[CODEC=]Q,Q,...`; one without a codec is for all that
            have none of their own.
        codecs: names of the codecs.

    Raises:
        InputError: a text is wrong, or a codec has no qualities.
    """
    found: dict[str, list[float]] = {}
    for text in texts:
        name, _, values = text.rpartition("=")
        if name and name not in codecs:
            raise InputError(f"--quality {text}: {name} is none of {', '.join(codecs)}")
        found[name] = _values(text, values)
    if missing := [name for name in codecs if name not in found and "" not in found]:
        raise InputError(f"--quality gives none for {missing[0]}")
    return {name: found.get(name, found.get("", [])) for name in codecs}


def _values(text: str, values: str) -> list[float]:
    wrong = InputError(f"--quality {text}: give FIRST:LAST:STEP, as in 20:95:15, or Q,Q,...")
    separator = ":" if ":" in values else ","
    try:
        numbers = [float(value) for value in values.split(separator)]
    except ValueError:
        raise wrong from None
    if not all(map(math.isfinite, numbers)) or (separator == ":" and len(numbers) != 3):
        raise wrong
    if separator == ",":
        return sorted(set(numbers))
    first, last, step = numbers
    if step <= 0 or last < first or (last - first) / step > 1000:
        raise wrong
    count = int((last - first) / step + 1e-9) + 1
    return [round(first + step * k, 9) for k in range(count)]


def _stamp(path: Path) -> list[int] | None:
    with contextlib.suppress(OSError):
        state = os.stat(path)
        return [state.st_size, state.st_mtime_ns]
    return None


def _size(path: Path) -> int | None:
    with contextlib.suppress(OSError):
        return os.stat(path).st_size
    return None
