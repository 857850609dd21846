"""TID2013's distortions and mean opinions, at its five levels, for any photograph.

Opinions of a type and level depend little on the scene: the mean over the other scenes of
`tid2013_regenerated` has an SRCC of 0.94 with a scene's own opinions. The means can therefore label
other photographs with the same distortions, see `gsn synthesize --like tid2013`.

Opinions and PSNRs are means of the published table (`published`) over the scenes that are not
reserved. Strengths come from `recipes`, or were solved for on such scenes, where they hardly vary:
denoising (the median of six scenes), mean shift and contrast (the same for all).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from data_pipelines.distortions import blur, of_tid2013, tone
from data_pipelines.distortions.entry import check_image
from data_pipelines.tid2013 import matching
from data_pipelines.tid2013.matching import Function
from data_pipelines.tid2013.recipes import RECIPES
from gsn_jax.errors import InputError

Five = tuple[float, float, float, float, float]


@dataclasses.dataclass(frozen=True)
class Typical:
    """One of TID2013's types at its five levels.

    Attributes:
        mos: mean opinion of levels 1 to 5, 0-9, up = better. Not monotonic for contrast: odd levels
            lower the contrast, even ones raise it.
        psnr: PSNR in dB over R, G and B, if the strength depends on the photograph.
        strengths: the strengths, if they are the same for every photograph.
        function: the distortion; None for the recipe's.
    """

    mos: Five
    psnr: Five | None = None
    strengths: Sequence[float] | None = None
    function: Function | None = None


def _shift(image: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    return tone.shift(image, amount)


def _contrast(image: np.ndarray, factor: float, rng: np.random.Generator) -> np.ndarray:
    return tone.scale_contrast(image, factor)


_BY_PSNR = {
    1: ((5.71, 5.30, 4.91, 4.30, 3.82), (33.2, 30.2, 27.1, 24.2, 21.2)),
    2: ((5.90, 5.88, 5.59, 5.14, 4.55), (33.3, 30.3, 27.3, 24.4, 21.4)),
    3: ((4.87, 4.34, 3.79, 3.25, 2.73), (33.1, 30.2, 27.1, 24.2, 21.2)),
    4: ((5.87, 5.73, 5.45, 5.03, 4.40), (32.9, 30.1, 27.1, 24.2, 21.3)),
    5: ((5.89, 5.65, 5.16, 4.18, 3.25), (33.1, 30.1, 25.2, 20.2, 15.4)),
    6: ((4.77, 4.37, 4.02, 3.65, 3.23), (32.3, 29.1, 26.0, 23.0, 20.0)),
    11: ((5.64, 5.04, 3.79, 2.63, 1.14), (33.0, 30.0, 27.1, 24.0, 21.0)),
    18: ((4.99, 4.63, 4.17, 3.88, 3.67), (33.0, 30.0, 27.0, 24.0, 21.2)),
    19: ((5.55, 5.21, 4.75, 4.13, 3.71), (33.0, 30.0, 27.0, 24.0, 21.0)),
    23: ((6.05, 5.86, 5.13, 4.25, 2.78), (33.0, 28.0, 25.0, 23.1, 21.0)),
}

_BY_STRENGTH: dict[int, tuple[Five, Sequence[float] | None, Function | None]] = {
    7: ((5.43, 4.90, 4.25, 3.56, 2.85), RECIPES[7].values, None),
    # TID2013 pads with black before blurring, which would affect small photographs more.
    8: ((5.68, 5.03, 4.15, 3.31, 2.47), RECIPES[8].values, blur.gaussian_blur),
    9: ((6.01, 5.72, 4.72, 3.43, 2.05), (7.1, 10.3, 18.2, 36.0, 83.0), None),
    10: ((5.91, 5.69, 4.90, 3.41, 2.16), RECIPES[10].values, None),
    16: ((6.05, 6.00, 5.65, 5.27, 4.63), (-6, 10, -20, 30, -40), _shift),
    17: ((5.62, 6.51, 4.48, 6.33, 3.44), (0.9, 1.2, 0.75, 1.45, 0.5), _contrast),
}

TYPICAL = {
    **{number: Typical(mos, psnr=psnr) for number, (mos, psnr) in _BY_PSNR.items()},
    **{
        number: Typical(mos, strengths=strengths, function=function)
        for number, (mos, strengths, function) in _BY_STRENGTH.items()
    },
}

# Type numbers by name in the distortion bank.
NUMBERS = {of_tid2013(number).name: number for number in sorted(TYPICAL)}

NAMES = tuple(NUMBERS)


def distort(name: str, image: np.ndarray, level: int, seed: int = 0) -> np.ndarray:
    """Distorts a photograph as TID2013 would.

    Args:
        name: one of `NAMES`.
        image: uint8 `(H, W, 3)`.
        level: 1 to 5.
        seed: seed of random draws; all levels of a type use the same draws.

    Returns:
        uint8 `(H, W, 3)`, with the nearest possible PSNR if the type's cannot be reached (as with
        saturation of a gray photograph).

    Raises:
        InputError: the type is not in `NAMES`.
    """
    check(name)
    check_image(image, name)
    number = NUMBERS[name]
    typical, recipe = TYPICAL[number], RECIPES[number]
    return matching.distort(
        typical.function or recipe.variants[0],
        image,
        [2013, number, seed],
        strength=typical.strengths[level - 1] if typical.strengths else None,
        target=typical.psnr[level - 1] if typical.psnr else math.nan,
        bounds=recipe.bounds,
    ).image


def opinion(name: str, level: int) -> float:
    """Mean opinion score of a type and level, 0-9, up = better; see `distort`."""
    check(name)
    return TYPICAL[NUMBERS[name]].mos[level - 1]


def check(name: str) -> None:
    """Checks that TID2013's levels of a distortion are known.

    Raises:
        InputError: they are not.
    """
    if name not in NUMBERS:
        raise InputError(f"{name}: TID2013's levels are known only for {', '.join(NUMBERS)}")
