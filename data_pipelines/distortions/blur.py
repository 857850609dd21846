"""Blur: Gaussian, lens and motion."""

from __future__ import annotations

import cv2
import numpy as np

from data_pipelines.distortions.entry import Distortion
from data_pipelines.distortions.pixels import RGB, to_uint8

_SUPERSAMPLING = 8


def gaussian_blur(image: RGB, sigma: float, rng: np.random.Generator) -> RGB:
    """Convolution with a Gaussian of standard deviation `sigma` pixels."""
    if sigma < 0.05:
        return image.copy()
    size = 2 * int(np.ceil(4 * sigma)) + 1
    blurred = cv2.GaussianBlur(
        image.astype(np.float32), (size, size), sigma, borderType=cv2.BORDER_REFLECT_101
    )
    return to_uint8(blurred)


def lens_blur(image: RGB, radius: float, rng: np.random.Generator) -> RGB:
    """Out of focus: convolution with an antialiased disk of `radius` pixels."""
    return _convolve(image, disk(radius))


def motion_blur(image: RGB, length: float, rng: np.random.Generator) -> RGB:
    """Camera motion: the mean along a line of `length` pixels in a random direction."""
    return _convolve(image, line(length, rng.uniform(0, np.pi)))


def disk(radius: float) -> np.ndarray:
    """Coverage of each pixel by a disk, normalised to sum 1: float32 `(k, k)`, k odd."""
    half = int(np.ceil(radius + 0.5))
    y, x = _subpixels(half)
    return _area(np.hypot(y, x) <= max(radius, 0.5), half)


def line(length: float, angle: float) -> np.ndarray:
    """Coverage of each pixel by a centred line of width 1, normalised: float32 `(k, k)`, k odd."""
    half = int(np.ceil(length / 2 + 1))
    y, x = _subpixels(half)
    along = x * np.cos(angle) + y * np.sin(angle)
    across = -x * np.sin(angle) + y * np.cos(angle)
    return _area((np.abs(along) <= (length + 1) / 2) & (np.abs(across) <= 0.5), half)


def _subpixels(half: int) -> tuple[np.ndarray, np.ndarray]:
    count = (2 * half + 1) * _SUPERSAMPLING
    centres = (np.arange(count) + 0.5) / _SUPERSAMPLING - half - 0.5
    return centres[:, None], centres[None, :]


def _area(inside: np.ndarray, half: int) -> np.ndarray:
    size = 2 * half + 1
    area = inside.reshape(size, _SUPERSAMPLING, size, _SUPERSAMPLING).mean((1, 3))
    return (area / area.sum()).astype(np.float32)


def _convolve(image: RGB, kernel: np.ndarray) -> RGB:
    filtered = cv2.filter2D(image.astype(np.float32), -1, kernel, borderType=cv2.BORDER_REFLECT_101)
    return to_uint8(filtered)


DISTORTIONS = (
    Distortion(
        "gaussian_blur",
        "blur",
        gaussian_blur,
        (0.7, 1.1, 1.7, 2.7, 4.5),
        (0, 40),
        "standard deviation (pixels)",
        "Gaussian blur of R, G and B.",
        "TID2013, KADID-10k",
        tid2013=8,
        kadid10k=1,
    ),
    Distortion(
        "lens_blur",
        "blur",
        lens_blur,
        (1.0, 2.0, 4.0, 6.0, 8.0),
        (0.5, 60),
        "radius (pixels)",
        "Out of focus: convolution with a disk.",
        "KADID-10k",
        kadid10k=2,
    ),
    Distortion(
        "motion_blur",
        "blur",
        motion_blur,
        (2.0, 4.0, 8.0, 13.0, 20.0),
        (0, 120),
        "length (pixels)",
        "Mean along a line in a random direction.",
        "KADID-10k",
        kadid10k=3,
    ),
)
