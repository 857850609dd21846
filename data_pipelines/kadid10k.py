"""KADID-10k's distortions and mean opinions, at its five levels, for any photograph.

Lin, Hosu and Saupe, "KADID-10k: A Large-scale Artificially Distorted IQA Database", QoMEX 2019.
The strengths are those of the authors' generator, the same for every photograph of 512 x 384
pixels. Opinions are means of the published table over its 81 photographs. `gsn synthesize --like
kadid10k` labels other photographs with them.

This module has the types that `tid2013_regenerated` lacks and that the generator defines without
MATLAB functions. The generator also stretches every image to the full range; this module does not.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence

import cv2
import numpy as np

from data_pipelines import distortions
from data_pipelines.distortions.colour import translate
from data_pipelines.distortions.entry import Function, check_image, generator
from data_pipelines.distortions.pixels import RGB, lab_to_rgb, luma, rgb_to_lab, to_uint8
from data_pipelines.tid2013 import typical
from data_pipelines.tid2013.recipes import RECIPES
from gsn_jax.errors import InputError

Five = tuple[float, float, float, float, float]


@dataclasses.dataclass(frozen=True)
class Typical:
    """One of KADID-10k's types at its five levels.

    Attributes:
        opinions: mean grades of levels 1 to 5, on a scale from 1 to 5 (imperceptible).
        strengths: strengths of those levels, in the unit of `function`.
        function: the distortion; None for the one in the distortion bank.
    """

    opinions: Five
    strengths: Five
    function: Function | None = None


def _diffusion(image: RGB, amount: float, rng: np.random.Generator) -> RGB:
    """Blurs the chroma of CIE Lab and multiplies it by `amount`."""
    planes = rgb_to_lab(image)
    blurred = cv2.GaussianBlur(
        planes[..., 1:], (0, 0), 1.5 * amount + 2, borderType=cv2.BORDER_REFLECT_101
    )
    planes[..., 1:] = amount * blurred
    return lab_to_rgb(planes)


def _shift(image: RGB, amount: float, rng: np.random.Generator) -> RGB:
    """Displaces the green channel near edges, in a random direction between down and right."""
    direction = rng.random(2)
    down, right = np.rint(amount * direction / np.hypot(*direction))
    gray = luma(image)
    edges = np.hypot(np.diff(gray, axis=0, append=gray[-1:]), np.diff(gray, append=gray[:, -1:]))
    edges = cv2.GaussianBlur(edges, (0, 0), 4, borderType=cv2.BORDER_REFLECT_101)
    edges = (edges - edges.min()) / max(np.ptp(edges), 1e-6)
    edges = np.clip(edges, *np.percentile(edges, (1, 99)))
    green = image[..., 1].astype(np.float32)
    moved = translate(image[..., 1], down, right)
    result = image.copy()
    result[..., 1] = to_uint8(green + edges * (moved - green))
    return result


def _curve(values: np.ndarray, middle: float) -> np.ndarray:
    """The parabola through (0, 0), (1/2, `middle`) and (1, 1), clipped to 0 to 1."""
    return np.clip(values + 4 * (middle - 0.5) * values * (1 - values), 0, 1)


def _brighten(image: RGB, amount: float, rng: np.random.Generator) -> RGB:
    """Mean of a curve on the samples (weight 2/3) and the same curve on the lightness (1/3)."""
    middle, planes = 0.5 + amount / 2, rgb_to_lab(image)
    planes[..., 0] = 100 * _curve(planes[..., 0] / 100, middle)
    samples = 255 * _curve(image.astype(np.float32) / 255, middle)
    return to_uint8((2 * samples + lab_to_rgb(planes)) / 3)


def _darken(image: RGB, amount: float, rng: np.random.Generator) -> RGB:
    """Darkens the samples by a curve that keeps black and white."""
    return to_uint8(255 * _curve(image.astype(np.float32) / 255, 0.5 - amount / 2))


def _pixelate(image: RGB, amount: float, rng: np.random.Generator) -> RGB:
    """Reduces and enlarges with nearest-neighbour interpolation."""
    height, width = image.shape[:2]
    share = 0.95 - amount**0.6
    small = (max(1, int(width * share)), max(1, int(height * share)))
    reduced = cv2.resize(image, small, interpolation=cv2.INTER_NEAREST)
    return cv2.resize(reduced, (width, height), interpolation=cv2.INTER_NEAREST)


TYPICAL = {
    "lens_blur": Typical((3.86, 2.65, 1.76, 1.44, 1.30), (1, 2, 4, 6, 8)),
    "motion_blur": Typical((4.60, 4.10, 2.85, 2.18, 1.67), (1, 2, 4, 6, 10)),
    "colour_diffusion": Typical((4.50, 2.60, 1.76, 1.61, 1.39), (1, 3, 6, 8, 12), _diffusion),
    "colour_shift": Typical((4.23, 2.55, 1.92, 1.85, 1.86), (1, 3, 6, 8, 12), _shift),
    "colour_quantisation_dither": Typical(
        (4.11, 3.97, 3.72, 3.20, 2.42), (256 / 64, 256 / 48, 256 / 32, 256 / 16, 256 / 8)
    ),
    "saturation_hsv": Typical((2.75, 2.33, 2.26, 2.24, 2.03), (0.6, 0.8, 0.9, 1.0, 1.4)),
    "saturation_lab": Typical((4.58, 3.33, 2.65, 1.82, 1.52), (0, 1, 2, 5, 8)),
    "brighten": Typical((4.51, 4.29, 3.63, 2.70, 1.81), (0.1, 0.2, 0.4, 0.7, 1.1), _brighten),
    "darken": Typical((4.60, 4.53, 4.23, 3.53, 2.22), (0.05, 0.1, 0.2, 0.4, 0.8), _darken),
    "pattern_noise": Typical((4.33, 3.94, 3.77, 3.46, 3.26), (20, 40, 60, 80, 100)),
    "pixelate": Typical((3.89, 3.10, 2.90, 2.79, 1.50), (0.01, 0.05, 0.1, 0.2, 0.5), _pixelate),
    "colour_blocks": Typical((2.69, 2.36, 2.30, 2.13, 2.04), (2, 4, 6, 8, 10)),
}

NAMES = tuple(TYPICAL)

# Types in both data sets: KADID-10k's strengths and opinions, TID2013's strengths and type number.
_SHARED: tuple[tuple[Sequence[float], Sequence[float], Sequence[float], int], ...] = (
    (
        [255 * variance**0.5 for variance in (0.001, 0.002, 0.003, 0.005, 0.01)],
        (3.89, 3.39, 3.05, 2.71, 2.30),
        [255 * 10 ** (-psnr / 20) for psnr in typical.TYPICAL[1].psnr or ()],
        1,
    ),
    ((0.5, 1, 2, 5), (4.38, 2.91, 1.87, 1.30), RECIPES[8].values or (), 8),
    ((43, 36, 24, 7, 4), (4.34, 4.25, 3.87, 1.95, 1.35), RECIPES[10].values or (), 10),
)


def distort(name: str, image: RGB, level: int, seed: int = 0) -> RGB:
    """Distorts a photograph as KADID-10k's generator would.

    Args:
        name: one of `NAMES`.
        image: uint8 `(H, W, 3)`.
        level: 1 to 5.
        seed: seed of random draws; all levels of a type use the same draws.

    Raises:
        InputError: the type is not in `NAMES`.
    """
    check(name)
    check_image(image, name)
    kind = TYPICAL[name]
    function = kind.function or distortions.get(name).function
    return function(image, kind.strengths[level - 1], generator(name, seed))


def opinion(name: str, level: int) -> float:
    """Mean opinion of a type and level on TID2013's scale, 0-9, up = better."""
    check(name)
    slope, offset = _scale()
    return slope * TYPICAL[name].opinions[level - 1] + offset


def check(name: str) -> None:
    """Checks that KADID-10k's levels of a distortion are known.

    Raises:
        InputError: they are not.
    """
    if name not in NAMES:
        raise InputError(f"{name}: KADID-10k's levels are known only for {', '.join(NAMES)}")


@functools.cache
def _scale() -> tuple[float, float]:
    """Slope and offset that map grades to TID2013's scale, fitted to the strengths that both cover.

    Between levels, TID2013's opinion is interpolated over the logarithm of the strength.
    """
    grades: list[float] = []
    mos: list[float] = []
    for strengths, opinions, tid_strengths, number in _SHARED:
        order = np.argsort(tid_strengths)
        known = np.log(np.asarray(tid_strengths)[order])
        wanted = np.log(np.asarray(strengths))
        inside = (wanted > known[0] - 1e-9) & (wanted < known[-1] + 1e-9)
        found = np.interp(wanted, known, np.asarray(typical.TYPICAL[number].mos)[order])
        grades.extend(np.asarray(opinions)[inside])
        mos.extend(found[inside])
    slope, offset = np.polyfit(np.asarray(grades), np.asarray(mos), 1)
    return float(slope), float(offset)
