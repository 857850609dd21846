"""Log-Gabor filters in the frequency domain.

D. J. Field, "Relations between the statistics of natural images and the response properties of
cortical cells", JOSA A 4(12), 1987; grids and filters follow P. Kovesi's `phasecong2.m`.
"""

from __future__ import annotations

import functools
import math
from typing import TypeVar

import jax
import numpy as np

Radius = TypeVar("Radius", np.ndarray, jax.Array)


@functools.lru_cache(maxsize=32)
def polar_frequencies(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Radius (cycles per sample) and angle (radians) of each FFT bin; the radius at DC is 0.

    For an odd size N the frequencies are spaced by 1 / (N - 1), as in the original.
    """

    def axis(size: int) -> np.ndarray:
        return (np.arange(size) - size // 2) / (size - size % 2 or 1)

    y, x = np.meshgrid(axis(height), axis(width), indexing="ij")
    radius, angle = np.hypot(x, y), np.arctan2(-y, x)
    return np.fft.ifftshift(radius), np.fft.ifftshift(angle)


def radial(radius: np.ndarray, frequency: float, spread: float) -> np.ndarray:
    """exp(-log(radius / frequency)^2 / (2 spread^2)), and zero at DC."""
    safe = np.where(radius > 0, radius, 1)
    response = np.exp(-(np.log(safe / frequency) ** 2) / (2 * spread**2))
    return np.where(radius > 0, response, 0)


def angular(angle: np.ndarray, orientation: float, spread: float) -> np.ndarray:
    """exp(-d^2 / (2 spread^2)), with d the angular distance from `orientation` in radians."""
    distance = np.abs(np.angle(np.exp(1j * (angle - orientation))))
    return np.exp(-(distance**2) / (2 * spread**2))


def low_pass(radius: Radius) -> Radius:
    """A Butterworth low-pass of order 15, which removes the corners of the spectrum."""
    return 1 / (1 + (radius / 0.45) ** 30)


def orientations(count: int) -> list[float]:
    """`count` angles in radians, equally spaced from 0 to below pi."""
    return [index * math.pi / count for index in range(count)]
