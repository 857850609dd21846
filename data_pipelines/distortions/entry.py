"""An entry of the distortion bank: a function, its strengths and its source."""

from __future__ import annotations

import dataclasses
import math
import zlib
from collections.abc import Callable

import numpy as np

from data_pipelines.distortions.pixels import RGB
from gsn_jax.errors import InputError

# (image uint8 (H, W, 3), strength, random generator) -> uint8 (H, W, 3)
Function = Callable[[np.ndarray, float, np.random.Generator], np.ndarray]

LEVELS = (1, 2, 3, 4, 5)


@dataclasses.dataclass(frozen=True)
class Distortion:
    """A documented, deterministic distortion of an sRGB image.

    Attributes:
        name: registry name.
        group: e.g. "noise".
        function: maps (image uint8 `(H, W, 3)`, strength, generator) to an image of the same
            shape and type. Equal arguments and generator states give equal bytes.
        strengths: strengths of levels 1 to 5, ascending; more strength is more distortion.
        bounds: range of strengths on which the function is defined.
        unit: unit of the strength.
        description: one sentence.
        source: the data set or paper that it follows.
        tid2013: number (1-24) of the TID2013 type that it represents, if any.
        kadid10k: number (1-25) of the KADID-10k type that it represents, if any.
    """

    name: str
    group: str
    function: Function
    strengths: tuple[float, float, float, float, float]
    bounds: tuple[float, float]
    unit: str
    description: str
    source: str
    tid2013: int | None = None
    kadid10k: int | None = None

    def strength_at(self, level: float) -> float:
        """Strength of a level from 1 to 5, interpolated geometrically between whole levels.

        Raises:
            InputError: the level lies outside 1 to 5.
        """
        if not 1 <= level <= 5:
            raise InputError(f"{self.name}: the level must be from 1 to 5, got {level}")
        below = math.floor(level)
        part = level - below
        if part == 0:
            return float(self.strengths[below - 1])
        low, high = self.strengths[below - 1], self.strengths[below]
        return float(low ** (1 - part) * high**part)

    def __call__(
        self,
        image: RGB,
        level: float | None = None,
        seed: int = 0,
        *,
        strength: float | None = None,
    ) -> RGB:
        """Distorts an image; returns a new uint8 array `(H, W, 3)`.

        Args:
            image: sRGB, uint8 `(H, W, 3)`; it is not changed.
            level: 1 (slight) to 5 (severe), may be fractional.
            seed: seed of the random draws. Most distortions draw the same noise or positions at
                every strength.
            strength: in the distortion's own unit, within `bounds`; instead of a level.

        Raises:
            InputError: the image is not uint8 `(H, W, 3)` of at least 16 x 16 pixels, not exactly
                one of level and strength is given, or it is out of range.
        """
        check_image(image, self.name)
        if strength is not None and level is None:
            value = float(strength)
        elif level is not None and strength is None:
            value = self.strength_at(level)
        else:
            raise InputError(f"{self.name}: give either a level or a strength")
        low, high = self.bounds
        if not low <= value <= high:
            raise InputError(f"{self.name}: strength {value} lies outside {low:g} to {high:g}")
        return self.function(image, value, generator(self.name, seed))


def check_image(image: RGB, name: str) -> None:
    """Checks for a uint8 array `(H, W, 3)` of at least 16 x 16 pixels.

    Raises:
        InputError: it is something else.
    """
    good = isinstance(image, np.ndarray) and image.dtype == np.uint8
    if not good or image.ndim != 3 or image.shape[-1] != 3 or min(image.shape[:2]) < 16:
        found = f"{getattr(image, 'dtype', type(image).__name__)} {getattr(image, 'shape', '')}"
        raise InputError(
            f"{name}: an image must be uint8 (height, width, 3) with at least 16 x 16 pixels, "
            f"got {found}"
        )


def generator(name: str, seed: int) -> np.random.Generator:
    """Random generator for a distortion and a seed; different names give different draws."""
    return np.random.default_rng([zlib.crc32(name.encode()), seed])
