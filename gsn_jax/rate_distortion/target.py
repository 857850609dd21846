"""Finds, for each photograph, the lowest quality at which a codec reaches a score."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gsn_jax._version import __version__
from gsn_jax.errors import InputError, about
from gsn_jax.metric import FeatureCache, Metric
from gsn_jax.rate_distortion.codecs import Codec, suffix_of
from gsn_jax.rate_distortion.own_files import ENCODE_RUN, ENCODE_STORE
from gsn_jax.rate_distortion.photos import Photo, check_size, load_8_bit
from gsn_jax.rate_distortion.scoring import Progress
from gsn_jax.scoring.outputs import naming, refuse_foreign
from gsn_jax.scoring.pairs import shown
from gsn_jax.scoring.provenance import protocol_text, version_of
from gsn_jax.scoring.regions import score_arrays
from gsn_jax.scoring.store import Store
from gsn_jax.storage import csv_text, replacing, stamp, write_text

TABLE = "encode.csv"
QUALITIES = (1, 100)


@dataclasses.dataclass(frozen=True)
class Target:
    """A score to reach.

    Attributes:
        metric: the metric.
        score: the worst score that is good enough.
    """

    metric: Metric
    score: float

    def is_reached(self, score: float) -> bool:
        """Whether a score is as good as the target or better."""
        return score >= self.score if self.metric.higher_is_better else score <= self.score


@dataclasses.dataclass(frozen=True)
class Found:
    """The result for one photograph.

    Attributes:
        photo: the photograph.
        file: the encoded file; None if `error` says why there is none.
        quality: quality of the file.
        size: bytes of the file.
        score: score of the file.
        error: why there is no file, or "".
    """

    photo: Photo
    file: Path | None
    quality: int
    size: int
    score: float
    error: str = ""


def encode_to(
    photos: Sequence[Photo],
    codec: Codec,
    target: Target,
    folder: Path,
    progress: Progress = lambda done, total: None,
    *,
    overwrite: bool = False,
) -> list[Found]:
    """Encodes each photograph at the lowest quality that reaches the target.

    The quality is a whole number from 1 to 100, found by bisection: the next lower one does not
    reach the target. Files that an earlier run with the same codec and target wrote are kept.
    `folder/encode.csv` lists all files.

    Args:
        photos: what to encode.
        codec: the codec.
        target: the score to reach.
        folder: where the files go; it exists.
        progress: called with the number of photographs done and of all photographs.
        overwrite: replace files that `gsn encode` did not write. Otherwise their photographs
            carry an error.

    Raises:
        InputError: a file cannot be written, or `encode.csv` is another's and `overwrite` is False.
    """
    run = {
        "package": __version__,
        "codec": codec.identity(),
        "metric": [target.metric.name, version_of(target.metric), protocol_text(target.metric)],
        "score": target.score,
    }
    refuse_foreign(folder / TABLE, lambda _: (folder / ENCODE_STORE).exists(), overwrite=overwrite)
    with naming(folder):
        store = Store(folder / ENCODE_STORE, ENCODE_RUN)
        store.open()
    results = []
    try:
        for done, photo in enumerate(photos):
            progress(done, len(photos))
            key = f"{codec.name}/{photo.name}"
            found = _kept(store.rows.get(key), photo, folder, run)
            if found is None:
                ours = {folder / row["file"] for row in store.rows.values()}
                try:
                    found = _encode(photo, codec, target, folder, ours, overwrite)
                except InputError as error:
                    found = Found(photo, None, 0, 0, float("nan"), about(photo.path, error))
                if found.file is not None:
                    row = {
                        "run": run,
                        "source": photo.identity(),
                        "file": str(found.file.relative_to(folder)),
                        "made": stamp(found.file),
                        "quality": found.quality,
                        "score": found.score,
                    }
                    with naming(store.path):
                        store.add(key, row)
            results.append(found)
        progress(len(photos), len(photos))
    finally:
        store.close()
    with naming(folder / TABLE):
        write_text(folder / TABLE, _table(results, target.metric.name))
    return results


def _encode(
    photo: Photo, codec: Codec, target: Target, folder: Path, ours: set[Path], overwrite: bool
) -> Found:
    """Finds the quality and writes the file; replaces only files in `ours`, unless `overwrite`."""
    data, quality, score = _search(photo, codec, target)
    file = folder / f"{photo.name}{suffix_of(data, f'.{codec.name}')}"
    if file.exists() and file.resolve() == photo.path.resolve():
        raise InputError("would be overwritten; choose another folder for --out")
    # A file with the same bytes is from a run that was killed before it recorded the file.
    refuse_foreign(
        file, lambda path: path in ours or path.read_bytes() == data, overwrite=overwrite
    )
    with naming(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        with replacing(file) as partial:
            partial.write_bytes(data)
    return Found(photo, file, quality, len(data), score)


def _search(photo: Photo, codec: Codec, target: Target) -> tuple[bytes, int, float]:
    """File, quality and score of the lowest quality that reaches the target."""
    image = load_8_bit(photo.path)
    remember = FeatureCache().of(str(photo.path))
    tried: dict[int, tuple[bytes, float]] = {}

    def reaches(quality: int) -> bool:
        if quality not in tried:
            data = codec.encode(image, quality)
            decoded = codec.decode(data)
            check_size(decoded, image, codec.name)
            tried[quality] = data, score_arrays(target.metric, image, decoded, remember)
        return target.is_reached(tried[quality][1])

    low, high = QUALITIES
    if not reaches(high):
        best = tried[high][1]
        raise InputError(
            f"{codec.name} reaches only {target.metric.name} {best:.4g} at its highest quality, "
            f"not {target.score:g}"
        )
    if reaches(low):
        high = low
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if reaches(middle) else (middle, high)
    data, score = tried[high]
    return data, high, score


def _kept(row: Any, photo: Photo, folder: Path, run: Mapping[str, Any]) -> Found | None:
    """The file of an earlier run, if that run was the same and both files are unchanged."""
    match row:
        case {
            "run": made_by,
            "source": source,
            "file": str(name),
            "made": [int(size), int()] as made,
            "quality": int(quality),
            "score": float(score),
        } if made_by == run and source == photo.identity() and made == stamp(folder / name):
            return Found(photo, folder / name, quality, size, score)
    return None


def _table(results: Sequence[Found], metric: str) -> str:
    rows: list[list[Any]] = [["image", "file", "quality", "bytes", metric, "error"]]
    for found in results:
        cells: list[Any] = [found.quality, found.size, f"{found.score:.6f}"]
        cells = cells if found.file is not None else ["", "", ""]
        rows.append([shown(found.photo.path), shown(found.file or ""), *cells, found.error])
    return csv_text(rows)
