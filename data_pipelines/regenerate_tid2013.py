"""`tid2013_regenerated`: TID2013 rebuilt from the Kodak photographs.

For every (scene, type, level) with a faithful recipe, the strength is solved so that the RGB PSNR
equals the published PSNR, unless the exact strength is known. The image gets its published mean
opinion score. `docs/datasets.md` defines "faithful" and lists the types that are left out.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from data_pipelines import parallel
from data_pipelines.image_writing import write_image
from data_pipelines.tid2013 import crops, fidelity, matching, published
from data_pipelines.tid2013.matching import Match
from data_pipelines.tid2013.published import Published
from data_pipelines.tid2013.recipes import FAITHFUL, RECIPES, VERSION
from gsn_jax.errors import InputError
from gsn_jax.storage import csv_text, write_text

COLUMNS = ("reference", "distorted", "score", "score_std", "type", "level", "group", "split")
_TABLE = "pairs.csv"
_VERSION_FILE = "regeneration.txt"

# Largest accepted deviation from the published PSNR (dB), SSIM and GMSD.
LARGEST_MISS = {"psnr": 0.3, "ssim": 0.03, "gmsd": 0.04}

Key = tuple[int, int, int]


@dataclasses.dataclass(frozen=True)
class Job:
    """An image to make: its key (scene, type, level), published values, photographs and path."""

    key: Key
    target: Published
    photos: Path
    path: Path


def regenerate(
    photos: Path,
    tables: Path,
    out: Path,
    progress: Callable[[int, int], None] | None = None,
    *,
    types: Iterable[int] = FAITHFUL,
    scenes: Iterable[int] | None = None,
    workers: int | None = None,
) -> Path:
    """Writes the data set and returns the path of its pairs table.

    Keeps existing images, so an interrupted run can continue, and writes the table last. Leaves out
    images that deviate by more than `LARGEST_MISS`. Equal arguments give equal files.

    Args:
        photos: folder with the Kodak photographs `kodim01.png` to `kodim24.png`.
        tables: folder with `tid2013_per_image_metrics.csv.gz`, or that file.
        out: folder to write `pairs.csv`, `reference/` and `distorted/` to.
        progress: called with the numbers of images done and in total.
        types: numbers of TID2013's types; by default the faithful ones.
        scenes: scene numbers, 1 to 24 except 23; by default all.
        workers: number of processes; by default one per core.

    Raises:
        InputError: a photograph or the table is missing or wrong, or `out` holds images of another
            version of the recipes.
    """
    photos, out = Path(photos), Path(out)
    targets = published.read(Path(tables))
    scenes = sorted(crops.OFFSETS) if scenes is None else list(scenes)
    types = list(types)
    _check(types, scenes)
    references = {scene: crops.reference(photos, scene) for scene in scenes}
    keys = [key for key in itertools.product(scenes, types, range(1, 6)) if key in targets]
    _claim(out)
    for scene, reference in references.items():
        path = out / _reference_name(scene)
        if not path.exists():
            write_image(path, reference)
    jobs = [Job(key, targets[key], photos, out / _distorted_name(key)) for key in keys]
    missing = [job for job in jobs if not (job.path.exists() or _miss(job.path).exists())]
    done = len(jobs) - len(missing)
    if progress is not None:
        progress(done, len(jobs))
    for _ in parallel.run(write_one, missing, workers):
        done += 1
        if progress is not None:
            progress(done, len(jobs))
    made = [job.key for job in jobs if job.path.exists()]
    write_text(out / _TABLE, _table(made, targets))
    return out / _TABLE


def write_one(job: Job) -> None:
    """Writes one image, or a note if it deviates too much from the published values."""
    reference = crops.reference(job.photos, job.key[0])
    image = make(reference, job.key, job.target).image
    missed = misses(reference, image, job.target)
    if missed:
        write_text(_miss(job.path), "\n".join(missed) + "\n")
    else:
        write_image(job.path, image)


def misses(reference: np.ndarray, image: np.ndarray, target: Published) -> list[str]:
    """One line for each value that deviates from the published one by more than `LARGEST_MISS`."""
    found = []
    for name, largest in LARGEST_MISS.items():
        value = getattr(fidelity, name)(reference, image)
        if abs(value - getattr(target, name)) > largest:
            found.append(f"{name} {value:.5f} instead of {getattr(target, name):.5f}")
    return found


def _miss(path: Path) -> Path:
    return path.with_suffix(".missed.txt")


def make(reference: np.ndarray, key: Key, target: Published) -> Match:
    """Regenerates the image of (scene, type, level); picks the variant closest in PSNR and SSIM."""
    recipe = RECIPES[key[1]]
    matches = [
        matching.distort(
            function,
            reference,
            [2013, *key],
            strength=recipe.values[key[2] - 1] if recipe.values else None,
            target=target.psnr,
            bounds=recipe.bounds,
        )
        for function in recipe.variants
    ]
    if len(matches) == 1:
        return matches[0]

    def misfit(match: Match) -> float:
        return abs(match.psnr - target.psnr) + 20 * abs(
            fidelity.ssim(reference, match.image) - target.ssim
        )

    return min(matches, key=misfit)


def _check(types: Iterable[int], scenes: Iterable[int]) -> None:
    for number in types:
        if number not in RECIPES:
            raise InputError(f"type {number}: TID2013 has the types 1 to 24")
    for scene in scenes:
        if scene not in crops.OFFSETS:
            known = ", ".join(map(str, crops.OFFSETS))
            raise InputError(f"scene {scene}: no crop of a Kodak photograph; choose from {known}")


def _claim(out: Path) -> None:
    """Creates the folders; refuses one with other files or from another version of the recipes."""
    mark = out / _VERSION_FILE
    if mark.is_file():
        if mark.read_text(encoding="utf-8").strip() != VERSION:
            raise InputError(
                f"{out}: was made by another version of the recipes; remove it, or choose another "
                "folder"
            )
    elif out.is_dir() and any(out.iterdir()):
        raise InputError(
            f"{out}: is not empty and not a regenerated TID2013; choose another folder"
        )
    for name in ("reference", "distorted"):
        (out / name).mkdir(parents=True, exist_ok=True)
    write_text(mark, VERSION + "\n")


def _reference_name(scene: int) -> str:
    return f"reference/I{scene:02d}.png"


def _distorted_name(key: Key) -> str:
    return "distorted/i{:02d}_{:02d}_{}.png".format(*key)


def _table(keys: Iterable[Key], targets: dict[Key, Published]) -> str:
    rows = (
        (
            _reference_name(key[0]),
            _distorted_name(key),
            targets[key].mos,
            targets[key].mos_std,
            RECIPES[key[1]].name,
            key[2],
            f"I{key[0]:02d}",
            "reserved" if key[0] in crops.RESERVED else "train",
        )
        for key in keys
    )
    return csv_text([COLUMNS, *rows])
