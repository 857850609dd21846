"""Colour: saturation, diffusion, shift and chromatic aberration."""

from __future__ import annotations

import cv2
import numpy as np

from data_pipelines.distortions.blur import gaussian_blur
from data_pipelines.distortions.entry import Distortion
from data_pipelines.distortions.pixels import (
    RGB,
    lab_to_rgb,
    rgb_to_lab,
    rgb_to_ycbcr,
    to_uint8,
    ycbcr_to_rgb,
)


def scale_chroma(image: RGB, factor: float) -> RGB:
    """Scales Cb and Cr by `factor`; 0 gives gray, a negative factor inverts the hues."""
    planes = rgb_to_ycbcr(image)
    planes[..., 1:] = (planes[..., 1:] - 127.5) * factor + 127.5
    return ycbcr_to_rgb(planes)


def saturation(image: RGB, change: float, rng: np.random.Generator) -> RGB:
    """Multiplies the chroma (Cb, Cr) by `1 - change`; hues invert for a change above 1."""
    return scale_chroma(image, 1 - change)


def saturation_hsv(image: RGB, change: float, rng: np.random.Generator) -> RGB:
    """Multiplies the saturation of HSV by `1 - change`."""
    planes = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2HSV)
    planes[..., 1] = planes[..., 1] * np.float32(1 - change)
    return to_uint8(cv2.cvtColor(planes, cv2.COLOR_HSV2RGB) * 255)


def saturation_lab(image: RGB, change: float, rng: np.random.Generator) -> RGB:
    """Multiplies the chroma of CIE Lab (a, b) by `1 + change`."""
    planes = rgb_to_lab(image)
    planes[..., 1:] *= np.float32(1 + change)
    return lab_to_rgb(planes)


def colour_diffusion(image: RGB, sigma: float, rng: np.random.Generator) -> RGB:
    """Gaussian blur of the chroma of CIE Lab, like spreading ink or a codec's colour bleeding."""
    planes = rgb_to_lab(image)
    if sigma >= 0.05:
        planes[..., 1:] = cv2.GaussianBlur(
            planes[..., 1:], (0, 0), sigma, borderType=cv2.BORDER_REFLECT_101
        )
    return lab_to_rgb(planes)


def colour_shift(image: RGB, amount: float, rng: np.random.Generator) -> RGB:
    """Moves the green channel by `amount` pixels in a random direction."""
    angle = rng.uniform(0, 2 * np.pi)
    planes = image.copy()
    planes[..., 1] = translate(image[..., 1], amount * np.sin(angle), amount * np.cos(angle))
    return planes


def chromatic_aberration(image: RGB, amount: float, rng: np.random.Generator) -> RGB:
    """Moves red right and blue left by `amount` pixels and blurs both, like a simple lens."""
    planes = image.copy()
    for channel, sign in ((0, 1), (2, -1)):
        moved = translate(image[..., channel], 0, sign * amount)
        planes[..., channel] = gaussian_blur(moved[..., None].repeat(3, -1), amount / 4, rng)[
            ..., 0
        ]
    return planes


def translate(plane: np.ndarray, down: float, right: float) -> np.ndarray:
    """Moves a plane `(H, W)` by pixels, replicating its border; uint8."""
    matrix = np.array([[1, 0, right], [0, 1, down]], np.float32)
    height, width = plane.shape
    moved = cv2.warpAffine(
        plane.astype(np.float32),
        matrix,
        (width, height),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return to_uint8(moved)


DISTORTIONS = (
    Distortion(
        "saturation",
        "colour",
        saturation,
        (0.35, 0.6, 0.9, 1.3, 1.9),
        (0, 20),
        "1 - chroma factor",
        "Chroma (Cb, Cr) lowered, then inverted.",
        "TID2013",
        tid2013=18,
    ),
    Distortion(
        "saturation_hsv",
        "colour",
        saturation_hsv,
        (0.3, 0.5, 0.7, 0.85, 1.0),
        (0, 1),
        "1 - saturation factor",
        "Saturation lowered in HSV.",
        "KADID-10k",
        kadid10k=7,
    ),
    Distortion(
        "saturation_lab",
        "colour",
        saturation_lab,
        (0.4, 0.8, 1.4, 2.5, 5.0),
        (0, 30),
        "chroma factor - 1",
        "Chroma raised in CIE Lab.",
        "KADID-10k",
        kadid10k=8,
    ),
    Distortion(
        "colour_diffusion",
        "colour",
        colour_diffusion,
        (2.0, 4.0, 7.0, 12.0, 20.0),
        (0, 120),
        "standard deviation (pixels)",
        "Blur of the chroma in CIE Lab.",
        "KADID-10k",
        kadid10k=4,
    ),
    Distortion(
        "colour_shift",
        "colour",
        colour_shift,
        (1.0, 2.0, 4.0, 7.0, 11.0),
        (0, 60),
        "displacement (pixels)",
        "The green channel displaced in a random direction.",
        "KADID-10k",
        kadid10k=5,
    ),
    Distortion(
        "chromatic_aberration",
        "colour",
        chromatic_aberration,
        (0.6, 1.3, 2.2, 3.5, 6.0),
        (0, 60),
        "displacement (pixels)",
        "Red and blue displaced to opposite sides and blurred.",
        "TID2013",
        tid2013=23,
    ),
)
