"""`tid2013_regenerated`: TID2013 rebuilt from the Kodak photographs.

For every (scene, type, level) whose distortion can be made again faithfully, the strength is solved
so that the pair's RGB PSNR equals the published PSNR of that very image, and its published mean
opinion score is attached. What is faithful, how that was measured, and which types are left out:
`docs/datasets.md`.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import itertools
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from data_pipelines import parallel
from data_pipelines.image_writing import write_image, write_text
from data_pipelines.tid2013 import crops, fidelity, published
from data_pipelines.tid2013.matching import Match, match_psnr
from data_pipelines.tid2013.published import Published
from data_pipelines.tid2013.recipes import FAITHFUL, RECIPES, VERSION, Recipe
from gsn_jax.errors import InputError

COLUMNS = ("reference", "distorted", "score", "score_std", "type", "level", "group", "split")
_TABLE = "pairs.csv"
_VERSION_FILE = "regeneration.txt"

# An image is left out that differs by more from the published values of PSNR (dB), SSIM and GMSD.
LARGEST_MISS = {"psnr": 0.3, "ssim": 0.03, "gmsd": 0.04}

Key = tuple[int, int, int]


@dataclasses.dataclass(frozen=True)
class Job:
    """One image to make: its key (scene, type, level), target values, photographs and path."""

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

    Images that are there already are kept, so an interrupted run continues; the table is written
    last. Equal arguments give equal files.

    Args:
        photos: folder with the Kodak photographs `kodim01.png` to `kodim24.png`.
        tables: folder with `tid2013_per_image_metrics.csv.gz`, or that file.
        out: folder to write `pairs.csv`, `reference/` and `distorted/` to.
        progress: called with (images done, images in all).
        types: numbers of TID2013's types; the faithful ones by default.
        scenes: 1 to 24 without 23; all by default.
        workers: processes; one per core by default.

    Raises:
        InputError: a photograph or the table is missing or wrong, or `out` holds what another
            version of the recipes made.
    """
    photos, out = Path(photos), Path(out)
    targets = published.read(Path(tables))
    scenes = sorted(crops.OFFSETS) if scenes is None else list(scenes)
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
    """Makes and writes one image, or a note that says how it misses the published values."""
    reference = crops.reference(job.photos, job.key[0])
    image = make(reference, job.key, job.target).image
    missed = misses(reference, image, job.target)
    if missed:
        write_text(_miss(job.path), "\n".join(missed) + "\n")
    else:
        write_image(job.path, image)


def misses(reference: np.ndarray, image: np.ndarray, target: Published) -> list[str]:
    """What differs from the published values by more than `LARGEST_MISS`, one line each."""
    found = []
    for name, largest in LARGEST_MISS.items():
        value = getattr(fidelity, name)(reference, image)
        if abs(value - getattr(target, name)) > largest:
            found.append(f"{name} {value:.5f} instead of {getattr(target, name):.5f}")
    return found


def _miss(path: Path) -> Path:
    return path.with_suffix(".missed.txt")


def make(reference: np.ndarray, key: Key, target: Published) -> Match:
    """The regenerated image of (scene, type, level), nearest in PSNR and then in SSIM."""
    recipe = RECIPES[key[1]]
    matches = [
        _match(recipe, index, reference, key, target) for index in range(len(recipe.variants))
    ]
    if len(matches) == 1:
        return matches[0]

    def misfit(match: Match) -> float:
        return abs(match.psnr - target.psnr) + 20 * abs(
            fidelity.ssim(reference, match.image) - target.ssim
        )

    return min(matches, key=misfit)


def _match(
    recipe: Recipe, variant: int, reference: np.ndarray, key: Key, target: Published
) -> Match:
    function = recipe.variants[variant]

    def distort(strength: float) -> np.ndarray:
        return function(reference, strength, np.random.default_rng([2013, *key]))

    if recipe.values is not None:
        strength = recipe.values[key[2] - 1]
        image = distort(strength)
        return Match(image, strength, fidelity.psnr(reference, image))
    return match_psnr(distort, reference, target.psnr, recipe.bounds)


def _check(types: Iterable[int], scenes: Iterable[int]) -> None:
    for number in types:
        if number not in RECIPES:
            raise InputError(f"type {number}: TID2013's types are 1 to 24")
    for scene in scenes:
        if scene not in crops.OFFSETS:
            known = ", ".join(map(str, crops.OFFSETS))
            raise InputError(f"scene {scene}: no crop of a Kodak photograph; there are {known}")


def _claim(out: Path) -> None:
    """Makes the folders, and refuses a folder that another version began."""
    mark = out / _VERSION_FILE
    if mark.is_file():
        if mark.read_text(encoding="utf-8").strip() != VERSION:
            raise InputError(
                f"{out}: was made by another version of the recipes; remove it or choose another"
            )
    elif out.is_dir() and any(out.iterdir()):
        raise InputError(f"{out}: is not empty and not a regenerated TID2013; choose another")
    for name in ("reference", "distorted"):
        (out / name).mkdir(parents=True, exist_ok=True)
    write_text(mark, VERSION + "\n")


def _reference_name(scene: int) -> str:
    return f"reference/I{scene:02d}.png"


def _distorted_name(key: Key) -> str:
    return "distorted/i{:02d}_{:02d}_{}.png".format(*key)


def _table(keys: Iterable[Key], targets: dict[Key, Published]) -> str:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    for key in keys:
        scene, number, level = key
        writer.writerow(
            (
                _reference_name(scene),
                _distorted_name(key),
                targets[key].mos,
                targets[key].mos_std,
                RECIPES[number].name,
                level,
                f"I{scene:02d}",
                "reserved" if scene in crops.RESERVED else "train",
            )
        )
    return file.getvalue()
