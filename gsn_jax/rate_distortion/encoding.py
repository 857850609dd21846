"""Encodes photographs at several qualities, in parallel, and continues where it stopped.

The files are in `FOLDER/encoded/CODEC/`. `FOLDER/encoded.jsonl` records how each was made. A file
is not made again if it still exists and the photograph and the codec are unchanged.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from data_pipelines import parallel
from gsn_jax.errors import InputError, about
from gsn_jax.rate_distortion.codecs import Codec, suffix_of
from gsn_jax.rate_distortion.encodings import Encoding
from gsn_jax.rate_distortion.own_files import RD_FILES, RD_RUN, RD_STORE
from gsn_jax.rate_distortion.photos import Photo, check_size, load_8_bit
from gsn_jax.rate_distortion.scoring import Progress
from gsn_jax.scoring.outputs import is_store, naming, refuse_foreign, unwritten
from gsn_jax.scoring.pairs import Pair, shown
from gsn_jax.scoring.store import Store
from gsn_jax.storage import replacing, stamp


@dataclasses.dataclass(frozen=True)
class _Job:
    photo: Photo
    codec: Codec
    quality: float
    folder: Path

    @property
    def key(self) -> str:
        return f"{self.codec.name}/{self.photo.name}_q{self.quality:g}"


def check_folder(folder: Path, *, overwrite: bool) -> None:
    """Refuses to write among encoded files that `gsn rd` did not make; for use before the work.

    Raises:
        InputError: `folder/encoded` holds files and `folder/encoded.jsonl` does not say how they
            were made, and `overwrite` is False.
    """
    if overwrite:
        return
    store, files = folder / RD_STORE, folder / RD_FILES
    refuse_foreign(store, lambda path: is_store(path, RD_RUN), overwrite=False)
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
        progress: called with the number of files done and of all files.

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
    with naming(folder / RD_STORE):
        store = Store(folder / RD_STORE, RD_RUN)
        store.open()
    rows = {job.key: _kept(store, job, identities) for job in jobs}
    missing = [job for job in jobs if rows[job.key] is None]
    done = len(jobs) - len(missing)
    progress(done, len(jobs))
    try:
        for key, row in parallel.run(_encode, missing, workers):
            rows[key] = row
            if "error" not in row:
                with naming(store.path):
                    store.add(key, row)
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
            "pixels": int(),
            "seconds": [_, _],
            "identity": identity,
            "source": source,
        }:
            made = stamp(job.folder / file)
            same = (
                identity == identities[job.codec.name]
                and source == job.photo.identity()
                and made is not None
                and made[0] == size
                and (job.folder / scored).exists()
            )
            return row if same else None
    return None


def _encoding(job: _Job, row: Mapping[str, Any]) -> Encoding:
    setting = f"{job.quality:g}"
    name = shown(job.photo.path)
    if "error" in row:
        pair = Pair(name, shown(job.key), None, None, row["error"])
        return Encoding(pair, job.codec.name, setting, 0, 0)
    scored = job.folder / row["scored"]
    return Encoding(
        Pair(name, shown(scored), job.photo.path, scored),
        job.codec.name,
        setting,
        row["size"],
        row["pixels"],
        *row["seconds"],
    )


def _encode(job: _Job) -> tuple[str, dict[str, Any]]:
    """Makes the file of a job, and a PNG to score if the file itself cannot be read.

    Returns the key of the job and its row.
    """
    try:
        source = job.photo.identity()
        image = load_8_bit(job.photo.path)
        started = time.perf_counter()
        data = job.codec.encode(image, job.quality)
        encoded = time.perf_counter()
        decoded = job.codec.decode(data)
        seconds = [encoded - started, time.perf_counter() - encoded]
        check_size(decoded, image, job.codec.name)
        file = f"{RD_FILES}/{job.key}{suffix_of(data, f'.{job.codec.name}')}"
        scored = file
        (job.folder / file).parent.mkdir(parents=True, exist_ok=True)
        with replacing(job.folder / file) as partial:
            partial.write_bytes(data)
        if not job.codec.is_readable(data):
            scored = f"{RD_FILES}/{job.key}.decoded.png"
            with replacing(job.folder / scored) as partial:
                Image.fromarray(decoded).save(partial, "PNG", compress_level=4)
    except InputError as error:
        return job.key, {"error": about(job.photo.path, error)}
    except OSError as error:
        return job.key, {"error": f"{job.key}: {unwritten(error)}"}
    height, width = image.shape[:2]
    return job.key, {
        "file": file,
        "scored": scored,
        "size": len(data),
        "pixels": height * width,
        "seconds": seconds,
        "source": source,
        "identity": job.codec.identity(),
    }
