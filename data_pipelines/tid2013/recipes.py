"""Recipes that regenerate TID2013's distortion types: one or more functions of a strength.

A recipe's variants differ in what a strength cannot express, such as a sign. `regenerate_tid2013`
picks the variant that comes closest to the published PSNR and SSIM.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import cv2
import numpy as np

from data_pipelines.distortions import colour, of_tid2013, tone
from data_pipelines.distortions.pixels import to_uint8
from data_pipelines.tid2013.extended_jpeg import jpeg_of_quality
from data_pipelines.tid2013.matching import Function


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How to regenerate one type.

    Attributes:
        number: 1 to 24, as in TID2013.
        name: name in the distortion bank.
        variants: the candidate distortions.
        bounds: smallest and largest strength of the search, both above zero.
        values: the exact strengths of the five levels, if known; None searches.
    """

    number: int
    name: str
    variants: tuple[Function, ...]
    bounds: tuple[float, float]
    values: tuple[float, ...] | None = None


def _of_bank(number: int, **changes: Any) -> Recipe:
    entry = of_tid2013(number)
    low, high = entry.bounds
    recipe = Recipe(number, entry.name, (entry.function,), (max(low, 1e-3 * high), high))
    return dataclasses.replace(recipe, **changes)


def _blur(image: np.ndarray, sigma: float, rng: np.random.Generator) -> np.ndarray:
    """MATLAB's `imfilter` with an 11 x 11 Gaussian; pads the image with black."""
    kernel = cv2.getGaussianKernel(11, sigma)
    return to_uint8(
        cv2.sepFilter2D(
            image.astype(np.float64), -1, kernel, kernel, borderType=cv2.BORDER_CONSTANT
        )
    )


def _shift_up(image: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    return tone.shift(image, amount)


def _shift_down(image: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    return tone.shift(image, -amount)


def _more_chroma(image: np.ndarray, change: float, rng: np.random.Generator) -> np.ndarray:
    return colour.scale_chroma(image, 1 + change)


_CHANGES: dict[int, dict[str, Any]] = {
    7: {"values": (19, 27, 39, 55, 76)},
    8: {"variants": (_blur,), "values": (0.5, 0.65, 1.0, 1.7, 4.0)},
    10: {"variants": (jpeg_of_quality,), "values": (80, 60, 23, 8, 4)},
    16: {"variants": (_shift_up, _shift_down)},
    17: {"variants": (tone.contrast_decrease, tone.contrast_increase)},
    18: {"variants": (colour.saturation, _more_chroma)},
}
RECIPES = {number: _of_bank(number, **_CHANGES.get(number, {})) for number in range(1, 25)}

# Identifies the data set; increase it when the images of a recipe change.
VERSION = "2"

# Types whose regenerated images agree with the published values, see docs/datasets.md.
FAITHFUL = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 16, 17, 18, 19, 23)
