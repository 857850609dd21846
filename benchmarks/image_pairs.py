"""Makes image pairs for benchmarks: crops of a photograph with noise.

Separate processes make them, so that the benchmark itself stays small: on Linux, the peak memory of
a process also counts for the processes that it starts.
"""

from __future__ import annotations

import functools
import multiprocessing
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import skimage.data
from PIL import Image

Size = tuple[int, int]


class Recipe(NamedTuple):
    """A pair to make.

    Attributes:
        folder: where the folders `reference` and `distorted` are made.
        name: name of both files, without suffix.
        size: height and width in pixels.
        seed: decides the crop and the strength of the noise.
    """

    folder: Path
    name: str
    size: Size
    seed: int


def make_pairs(recipes: Iterable[Recipe]) -> None:
    """Writes pairs as PNG files, with two processes."""
    recipes = list(recipes)
    for recipe in recipes:
        for kind in ("reference", "distorted"):
            (recipe.folder / kind).mkdir(parents=True, exist_ok=True)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        list(pool.map(_make, recipes, chunksize=8))


def break_some(files: Sequence[Path], count: int, kinds: int = 3) -> list[Path]:
    """Breaks `count` evenly spread files and returns their paths.

    Args:
        files: images.
        count: number of files to break.
        kinds: 3 to cut files in half, empty them and replace them with text in turn; 4 to delete
            some as well.
    """
    chosen = sorted(set(np.linspace(0, len(files) - 1, count).astype(int)))
    for number, index in enumerate(chosen):
        data = files[index].read_bytes()
        if number % kinds == 3:
            files[index].unlink()
        else:
            files[index].write_bytes([data[: len(data) // 2], b"", b"text"][number % kinds])
    return [files[index] for index in chosen]


def noisy(image: np.ndarray, level: float, generator: np.random.Generator) -> np.ndarray:
    """Adds uniform noise with an amplitude of `level` 8-bit steps."""
    top, left = generator.integers(0, 64, 2)
    noise = _cut(_noise(), top, left, image.shape[:2]) * np.float32(level / 127)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def photograph(size: Size, generator: np.random.Generator) -> np.ndarray:
    """A crop of a photograph that is extended by mirroring, uint8."""
    top, left = generator.integers(0, 1024, 2)
    return _cut(_mirrored(), top, left, size)


def _make(recipe: Recipe) -> None:
    generator = np.random.default_rng(recipe.seed)
    reference = photograph(recipe.size, generator)
    level = np.exp(generator.uniform(np.log(3), np.log(90)))
    for kind, image in (
        ("reference", reference),
        ("distorted", noisy(reference, level, generator)),
    ):
        path = recipe.folder / kind / f"{recipe.name}.png"
        Image.fromarray(image).save(path, compress_level=1)


def _cut(image: np.ndarray, top: int, left: int, size: Size) -> np.ndarray:
    """A window of an image that is repeated periodically."""
    rows, columns = (
        np.arange(start, start + length) % side
        for start, length, side in zip((top, left), size, image.shape[:2], strict=True)
    )
    return image[rows[:, None], columns]


@functools.cache
def _mirrored() -> np.ndarray:
    photo = skimage.data.astronaut()
    return np.pad(photo, ((0, len(photo)), (0, photo.shape[1]), (0, 0)), mode="symmetric")


@functools.cache
def _noise() -> np.ndarray:
    shape = (1100, 1100, 3)  # not the period of the photograph, so that no pair repeats
    return np.random.default_rng(0).integers(-127, 128, shape, dtype=np.int8)
