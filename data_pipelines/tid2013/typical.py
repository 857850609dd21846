"""TID2013's distortions on any photograph: as strong as at its five levels, and people's opinion.

What people say of a type and level depends little on the scene: the mean over the other scenes of
`tid2013_regenerated` follows a scene's own opinions with an SRCC of 0.94. So their mean may be
carried over to other photographs that are distorted alike, see `gsn synthesize --like tid2013`.

Opinions and PSNRs are means of the published table (`published`) over the scenes that are not
reserved. Strengths are those that `recipes` knows or, solved for such scenes, hardly differ:
denoising (the median of six scenes), mean shift and contrast (the same for all).
"""

from __future__ import annotations

import dataclasses

import numpy as np

from data_pipelines.distortions import blur, of_tid2013, tone
from data_pipelines.tid2013.matching import match_psnr
from data_pipelines.tid2013.recipes import RECIPES, Function
from gsn_jax.errors import InputError

Five = tuple[float, float, float, float, float]


@dataclasses.dataclass(frozen=True)
class Typical:
    """A type of TID2013 at its levels.

    Attributes:
        mos: mean opinion of levels 1 to 5, 0-9, up = better. Not falling where the levels mean
            different things: contrast is lowered at odd levels and raised at even ones.
        psnr: in dB over R, G and B, where the strength is searched for every photograph.
        strengths: where the levels have the same strengths for every photograph.
        function: what is done with that strength; the recipe's function otherwise.
    """

    mos: Five
    psnr: Five | None = None
    strengths: Five | None = None
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

_BY_STRENGTH: dict[int, tuple[Five, Five, Function | None]] = {
    7: ((5.43, 4.90, 4.25, 3.56, 2.85), RECIPES[7].values, None),
    # The black outside of TID2013's images would be a larger part of a small photograph.
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

# By name in the distortion bank.
NUMBERS = {of_tid2013(number).name: number for number in sorted(TYPICAL)}


def distort(name: str, image: np.ndarray, level: int, seed: int = 0) -> np.ndarray:
    """The photograph as TID2013 would have distorted it.

    Args:
        name: of one of `NUMBERS`.
        image: uint8 `(H, W, 3)`.
        level: 1 to 5.
        seed: of random draws; levels of a type draw alike.

    Returns:
        uint8 `(H, W, 3)`. Where the PSNR cannot be reached (chroma of a gray photograph) it is the
        nearest that can.

    Raises:
        InputError: the type is unknown here, or its regenerated images are not faithful.
    """
    check(name)
    number = NUMBERS[name]
    typical, recipe = TYPICAL[number], RECIPES[number]
    function = typical.function or recipe.variants[0]

    def at(strength: float) -> np.ndarray:
        return function(image, strength, np.random.default_rng([2013, number, seed]))

    if typical.strengths is not None:
        return at(typical.strengths[level - 1])
    return match_psnr(at, image, typical.psnr[level - 1], recipe.bounds).image


def opinion(name: str, level: int) -> float:
    """The mean opinion score, 0-9, up = better, of a type and level; as `distort`."""
    check(name)
    return TYPICAL[NUMBERS[name]].mos[level - 1]


def check(name: str) -> None:
    """Raises an InputError if nothing is known of TID2013's levels of a distortion."""
    if name not in NUMBERS:
        raise InputError(f"{name}: TID2013's levels are known only of {', '.join(NUMBERS)}")
