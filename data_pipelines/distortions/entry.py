"""What one entry of the distortion bank is: a function, its strengths and where it comes from."""

from __future__ import annotations

import dataclasses
import math
import zlib
from collections.abc import Callable

import numpy as np

from gsn_jax.errors import InputError

# (image uint8 (H, W, 3), strength, random generator) -> uint8 (H, W, 3)
Function = Callable[[np.ndarray, float, np.random.Generator], np.ndarray]

LEVELS = (1, 2, 3, 4, 5)


@dataclasses.dataclass(frozen=True)
class Distortion:
    """A documented, deterministic distortion of an sRGB image.

    Attributes:
        name: registry name.
        group: subject, e.g. "noise".
        function: maps (image uint8 `(H, W, 3)`, strength, generator) to an image of the same
            shape and type. Equal arguments and generator states give equal bytes.
        strengths: the strengths of levels 1 to 5, rising; more strength is more distortion.
        bounds: the range of strengths that the function is defined on, for searches.
        unit: what the strength measures.
        description: one sentence.
        source: the data set or paper that the distortion follows.
        tid2013: its number (1-24) in TID2013, if it stands for one of those.
        kadid10k: its number (1-25) in KADID-10k, if it stands for one of those.
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
        """The strength of a level from 1 to 5; between two whole levels their geometric mean.

        Raises:
            InputError: the level lies outside 1 to 5.
        """
        if not 1 <= level <= 5:
            raise InputError(f"{self.name}: a level lies between 1 and 5, got {level}")
        below = math.floor(level)
        part = level - below
        if part == 0:
            return float(self.strengths[below - 1])
        low, high = self.strengths[below - 1], self.strengths[below]
        return float(low ** (1 - part) * high**part)

    def __call__(
        self,
        image: np.ndarray,
        level: float | None = None,
        seed: int = 0,
        *,
        strength: float | None = None,
    ) -> np.ndarray:
        """The distorted image, a new uint8 array `(H, W, 3)`.

        Args:
            image: sRGB, uint8 `(H, W, 3)`; it is not changed.
            level: 1 (slight) to 5 (severe), whole or in between.
            seed: where the distortion draws at random, equal seeds draw equally, whatever the
                strength: a seed's noise field only grows with the strength.
            strength: instead of a level, in the distortion's own unit, within `bounds`.

        Raises:
            InputError: the image is not uint8 `(H, W, 3)`; not exactly one of level and strength
                is given; or it is out of range.
        """
        check_image(image, self.name)
        if (level is None) == (strength is None):
            raise InputError(f"{self.name}: give either a level or a strength")
        value = self.strength_at(level) if strength is None else float(strength)
        low, high = self.bounds
        if not low <= value <= high:
            raise InputError(f"{self.name}: strength {value} lies outside {low:g} to {high:g}")
        return self.function(image, value, generator(self.name, seed))


def check_image(image: np.ndarray, name: str) -> None:
    """Refuses what is not a uint8 array `(H, W, 3)` of at least 16 x 16 pixels.

    Raises:
        InputError: as said.
    """
    good = isinstance(image, np.ndarray) and image.dtype == np.uint8
    if not good or image.ndim != 3 or image.shape[-1] != 3 or min(image.shape[:2]) < 16:
        found = f"{getattr(image, 'dtype', type(image).__name__)} {getattr(image, 'shape', '')}"
        raise InputError(
            f"{name}: distortions take uint8 images (height, width, 3) of at least 16 x 16 pixels,"
            f" got {found}"
        )


def generator(name: str, seed: int) -> np.random.Generator:
    """The random generator of a distortion and a seed; different names draw differently."""
    return np.random.default_rng([zlib.crc32(name.encode()), seed])
