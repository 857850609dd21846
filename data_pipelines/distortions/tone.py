"""Brightness and contrast."""

from __future__ import annotations

import numpy as np

from data_pipelines.distortions.entry import Distortion
from data_pipelines.distortions.pixels import RGB, lab_to_rgb, rgb_to_lab, to_uint8


def shift(image: RGB, amount: float) -> RGB:
    """Adds `amount` (of 255, either sign) to all samples."""
    return to_uint8(image + np.float32(amount))


def scale_contrast(image: RGB, factor: float) -> RGB:
    """Scales deviations from the image's mean sample by `factor`."""
    mean = image.mean(dtype=np.float64)
    return to_uint8((image - mean) * factor + mean)


def mean_shift(image: RGB, amount: float, rng: np.random.Generator) -> RGB:
    """Shifts all samples by `amount`, up or down depending on the seed."""
    return shift(image, amount if rng.random() < 0.5 else -amount)


def brighten(image: RGB, power: float, rng: np.random.Generator) -> RGB:
    """Raises lightness, keeping black and white: L becomes L ** (1 / (1 + power))."""
    return _lightness_curve(image, 1 / (1 + power))


def darken(image: RGB, power: float, rng: np.random.Generator) -> RGB:
    """Lowers lightness, keeping black and white: L becomes L ** (1 + power)."""
    return _lightness_curve(image, 1 + power)


def _lightness_curve(image: RGB, exponent: float) -> RGB:
    planes = rgb_to_lab(image)
    planes[..., 0] = 100 * np.clip(planes[..., 0] / 100, 0, 1) ** exponent
    return lab_to_rgb(planes)


def contrast(image: RGB, change: float, rng: np.random.Generator) -> RGB:
    """Multiplies or divides the contrast by `1 + change`, depending on the seed."""
    factor = 1 + change
    return scale_contrast(image, factor if rng.random() < 0.5 else 1 / factor)


def contrast_decrease(image: RGB, change: float, rng: np.random.Generator) -> RGB:
    """Divides deviations from the mean by `1 + change`."""
    return scale_contrast(image, 1 / (1 + change))


def contrast_increase(image: RGB, change: float, rng: np.random.Generator) -> RGB:
    """Multiplies deviations from the mean by `1 + change` and clips."""
    return scale_contrast(image, 1 + change)


_CHANGES = (0.08, 0.16, 0.3, 0.55, 1.0)
_CHANGE_UNIT = "contrast factor - 1"

DISTORTIONS = (
    Distortion(
        "mean_shift",
        "tone",
        mean_shift,
        (6.0, 10.0, 20.0, 30.0, 40.0),
        (0, 255),
        "shift (of 255)",
        "All samples shifted up or down, depending on the seed.",
        "TID2013, KADID-10k",
        tid2013=16,
        kadid10k=18,
    ),
    Distortion(
        "brighten",
        "tone",
        brighten,
        (0.1, 0.2, 0.4, 0.7, 1.1),
        (0, 20),
        "exponent of the lightness curve",
        "Lightness lifted by a curve that keeps black and white.",
        "KADID-10k",
        kadid10k=16,
    ),
    Distortion(
        "darken",
        "tone",
        darken,
        (0.1, 0.2, 0.4, 0.7, 1.1),
        (0, 20),
        "exponent of the lightness curve",
        "Lightness lowered by a curve that keeps black and white.",
        "KADID-10k",
        kadid10k=17,
    ),
    Distortion(
        "contrast",
        "tone",
        contrast,
        _CHANGES,
        (0, 50),
        _CHANGE_UNIT,
        "Contrast raised or lowered, depending on the seed.",
        "TID2013, KADID-10k",
        tid2013=17,
        kadid10k=25,
    ),
    Distortion(
        "contrast_decrease",
        "tone",
        contrast_decrease,
        _CHANGES,
        (0, 50),
        _CHANGE_UNIT,
        "Contrast lowered towards the mean.",
        "CSIQ, TID2013's levels 1, 3 and 5",
    ),
    Distortion(
        "contrast_increase",
        "tone",
        contrast_increase,
        _CHANGES,
        (0, 50),
        _CHANGE_UNIT,
        "Contrast raised around the mean.",
        "TID2013's levels 2 and 4",
    ),
)
