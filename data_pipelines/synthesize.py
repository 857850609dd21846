"""Synthesises a data set of distorted photographs: pairs table, references, distorted images.

One job per photograph writes its images and then its part of the table; the table is assembled when
all parts exist. An interrupted run can therefore continue, and gives the same bytes as one without
interruption.
"""

from __future__ import annotations

import csv
import dataclasses
import json
import zlib
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from data_pipelines import decoding, distortions, kadid10k, parallel, synthesis_labels
from data_pipelines.image_writing import write_image
from data_pipelines.tid2013 import typical
from gsn_jax.errors import InputError
from gsn_jax.images.files import SUFFIXES
from gsn_jax.storage import csv_text, write_text

COLUMNS = ("reference", "distorted", "score", "type", "level", "group")
_SETTINGS = "synthesis.json"
_PARTS = "parts"
_SMALLEST = 64
_VERSION = 4

# Data sets whose levels and opinions can be applied to photographs.
LIKE = {"tid2013": typical, "kadid10k": kadid10k}


@dataclasses.dataclass(frozen=True)
class Settings:
    """Settings of a synthesised data set; equal settings and photographs give equal bytes.

    Attributes:
        types: names of distortions.
        without: types to leave out after each photograph has drawn its types.
        levels: whole levels from 1 to 5, ascending.
        seed: seed of all random draws.
        size: crop photographs around their centre to at most this many pixels per side, or None.
        label: "ensemble", "level", or the name of a metric or model; see `synthesis_labels`.
        like: a data set in `LIKE`, whose strengths replace those of the distortion bank and whose
            mean opinions replace `label`; "" for none.
        consensus: weight, 0 to 1, of the mean over all photographs in each label, because metrics
            depend on content more than people do.
        types_per_photo: number of types to draw for each photograph; None for all.
        identical: whether to also pair each photograph with itself (level 0, score 1).
        suffix: ".png" or ".webp", both lossless.
    """

    types: tuple[str, ...]
    without: tuple[str, ...] = ()
    levels: tuple[int, ...] = distortions.LEVELS
    seed: int = 0
    size: int | None = 512
    label: str = synthesis_labels.DEFAULT
    like: str = ""
    consensus: float = 0.0
    types_per_photo: int | None = None
    identical: bool = False
    suffix: str = ".png"


@dataclasses.dataclass(frozen=True)
class _Job:
    photo: Path
    name: str
    out: Path
    settings: Settings
    find: synthesis_labels.Find


def find_photos(source: Path, out: Path | None = None) -> list[Path]:
    """The photographs of a folder and its subfolders, sorted.

    Args:
        source: the folder.
        out: the folder of the data set, which is not searched.

    Raises:
        InputError: there is no such folder, it has no photographs, or two of them have the same
            name apart from the suffix.
    """
    if not source.is_dir():
        raise InputError(f"{source}: no such folder; give the folder with the photographs")
    photos = sorted(
        path
        for path in source.rglob("*")
        if path.suffix.lower() in SUFFIXES
        and not path.name.startswith(".")
        and not (out and path.absolute().is_relative_to(out.absolute()))
    )
    if not photos:
        raise InputError(f"{source}: no photographs ({', '.join(SUFFIXES)}); choose another folder")
    seen: dict[str, Path] = {}
    for photo in photos:
        other = seen.setdefault(_name(photo, source), photo)
        if other != photo:
            raise InputError(f"{photo}: has the same name as {other}; rename one of them")
    return photos


def synthesize(
    source: Path,
    out: Path,
    settings: Settings,
    progress: Callable[[int, int], None] | None = None,
    *,
    workers: int | None = None,
    find: synthesis_labels.Find = synthesis_labels.registered,
) -> Path:
    """Writes the data set and returns the path of its table `pairs.csv`.

    Args:
        source: folder of photographs; subfolders are searched too.
        out: folder to write to; the run continues if it was interrupted there.
        settings: see `Settings`.
        progress: called with the numbers of photographs done and in total.
        workers: number of processes; one per core by default.
        find: returns the metric of `settings.label`; other processes must be able to import it.

    Raises:
        InputError: see `find_photos`; or a setting is wrong, a photograph cannot be read or is too
            small, or `out` holds something else or a data set with other settings.
    """
    source, out = Path(source), Path(out)
    photos = find_photos(source, out)
    _check(settings, find)
    _claim(out, settings)
    jobs = [_Job(photo, _name(photo, source), out, settings, find) for photo in photos]
    missing = [job for job in jobs if not _part(job).is_file()]
    done = len(jobs) - len(missing)
    if progress is not None:
        progress(done, len(jobs))
    for _ in parallel.run(_make_photo, missing, workers):
        done += 1
        if progress is not None:
            progress(done, len(jobs))
    rows = [row for job in jobs for row in _rows(_part(job))]
    write_text(out / "pairs.csv", csv_text([COLUMNS, *agreeing(rows, settings.consensus)]))
    return out / "pairs.csv"


def _check(settings: Settings, find: synthesis_labels.Find) -> None:
    kinds = [kind for kind in settings.types if kind not in settings.without]
    if not kinds:
        raise InputError("no distortion is left; leave out fewer")
    if not settings.like:
        synthesis_labels.check(settings.label, find)
        return
    if settings.like not in LIKE:
        raise InputError(f"like {settings.like!r}: give one of {', '.join(LIKE)}")
    for kind in kinds:
        LIKE[settings.like].check(kind)


def agreeing(rows: Sequence[Sequence[str]], share: float) -> list[tuple[object, ...]]:
    """Moves the score of each row by `share` towards the mean of its type and level.

    This preserves the order of a photograph's levels, since the means have the same order.
    """
    if share == 0:
        return [tuple(row) for row in rows]
    score, kind, level = (COLUMNS.index(name) for name in ("score", "type", "level"))
    groups: dict[tuple[str, str], list[float]] = defaultdict(list)
    for row in rows:
        groups[row[kind], row[level]].append(float(row[score]))
    means = {group: float(np.mean(scores)) for group, scores in groups.items()}
    moved = []
    for row in rows:
        mean = means[row[kind], row[level]]
        value = round((1 - share) * float(row[score]) + share * mean, 6)
        moved.append((*row[:score], value, *row[score + 1 :]))
    return moved


def crop_to(image: np.ndarray, size: int | None) -> np.ndarray:
    """The centre of an image, at most `size` x `size` pixels."""
    if size is None:
        return image
    height, width = image.shape[:2]
    top, left = max(height - size, 0) // 2, max(width - size, 0) // 2
    return np.ascontiguousarray(image[top : top + size, left : left + size])


def _make_photo(job: _Job) -> None:
    """Writes the reference, the distorted images and the table's part of one photograph."""
    settings = job.settings
    photo = _read(job.photo)
    photo = crop_to(photo, settings.size)
    reference_path = f"reference/{job.name}{settings.suffix}"
    _write_missing(job.out / reference_path, photo)
    rows: list[tuple[object, ...]] = []
    if settings.identical:
        rows.append((reference_path, reference_path, 1.0, "identical", 0, job.name))
    seed = zlib.crc32(f"{settings.seed}/{job.name}".encode())
    for kind in _drawn(settings, seed):
        images, paths = [], []
        for level in settings.levels:
            path = f"distorted/{job.name}/{kind}_{level}{settings.suffix}"
            image = _distorted(settings, kind, photo, level, seed)
            _write_missing(job.out / path, image)
            images.append(image)
            paths.append(path)
        scores = _scores(job, kind, photo, images)
        for path, score, level in zip(paths, scores, settings.levels, strict=True):
            rows.append((reference_path, path, round(score, 6), kind, level, job.name))
    write_text(_part(job), csv_text(rows))


def _distorted(
    settings: Settings, kind: str, photo: np.ndarray, level: int, seed: int
) -> np.ndarray:
    if settings.like:
        return LIKE[settings.like].distort(kind, photo, level, seed)
    return distortions.apply(kind, photo, level=level, seed=seed)


def _scores(job: _Job, kind: str, photo: np.ndarray, images: Sequence[np.ndarray]) -> list[float]:
    """One score in [0, 1] per level."""
    settings = job.settings
    if settings.like:
        opinions = [LIKE[settings.like].opinion(kind, level) for level in settings.levels]
        return [min(opinion / synthesis_labels.BEST_MOS, 1.0) for opinion in opinions]
    return synthesis_labels.label(settings.label, kind, settings.levels, photo, images, job.find)


def _drawn(settings: Settings, seed: int) -> Sequence[str]:
    """The types drawn for one photograph, in the order of the settings."""
    wanted, types = settings.types_per_photo, list(settings.types)
    if wanted is not None and wanted < len(types):
        chosen = np.random.default_rng(seed).permutation(len(types))[:wanted]
        types = [types[index] for index in sorted(chosen)]
    return [kind for kind in types if kind not in settings.without]


def _read(path: Path) -> np.ndarray:
    image = decoding.read_image(path)
    if min(image.shape[:2]) < _SMALLEST:
        raise InputError(
            f"{path}: {image.shape[1]} x {image.shape[0]} is too small; photographs need at least "
            f"{_SMALLEST} x {_SMALLEST} pixels"
        )
    return image


def _write_missing(path: Path, image: np.ndarray) -> None:
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_image(path, image)


def _rows(part: Path) -> list[list[str]]:
    with part.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def _name(photo: Path, source: Path) -> str:
    """The photograph's id: its path below the folder without suffix, parts joined by `__`."""
    return "__".join(photo.relative_to(source).with_suffix("").parts)


def _part(job: _Job) -> Path:
    return job.out / _PARTS / f"{job.name}.csv"


def _claim(out: Path, settings: Settings) -> None:
    """Creates the folders; refuses one with other files or other settings."""
    text = json.dumps({"version": _VERSION, **dataclasses.asdict(settings)}, indent=1) + "\n"
    mark = out / _SETTINGS
    if mark.is_file():
        if mark.read_text(encoding="utf-8") != text:
            raise InputError(
                f"{out}: was started with other settings (see {_SETTINGS} in it); use those, "
                "remove the folder, or choose another"
            )
    elif out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out}: exists and is not a synthesised data set; choose another folder")
    for name in ("reference", "distorted", _PARTS):
        (out / name).mkdir(parents=True, exist_ok=True)
    write_text(mark, text)
