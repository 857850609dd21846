"""Noise: white, coloured, correlated, masked, high-frequency, impulse, multiplicative, comfort."""

from __future__ import annotations

import cv2
import numpy as np
import scipy.fft

from data_pipelines.distortions import dct
from data_pipelines.distortions.entry import Distortion
from data_pipelines.distortions.pixels import RGB, luma, rgb_to_ycbcr, to_uint8, ycbcr_to_rgb

Generator = np.random.Generator

# Standard deviations that give PSNR 33, 30, 27, 24 and 21 dB, TID2013's five levels.
_SIGMAS = (5.7, 8.06, 11.4, 16.1, 22.7)


# Relative standard deviation of the noise in Y, Cb and Cr, fitted to TID2013's published values.
_LUMA_LESS = np.array([0.5, 1, 1], np.float32)


def white_noise(image: RGB, sigma: float, rng: Generator) -> RGB:
    """Independent Gaussian noise in R, G and B."""
    noise = rng.standard_normal(image.shape, np.float32)
    return to_uint8(image + np.float32(sigma) * noise)


def colour_noise(image: RGB, sigma: float, rng: Generator) -> RGB:
    """Gaussian noise in Y, Cb and Cr, stronger in the chroma components."""
    noise = rng.standard_normal(image.shape, np.float32)
    return ycbcr_to_rgb(rgb_to_ycbcr(image) + np.float32(sigma) * noise * _LUMA_LESS)


def correlated_noise(image: RGB, sigma: float, rng: Generator) -> RGB:
    """Low-pass Gaussian noise: white noise through a 3 x 3 mean, scaled back to `sigma`."""
    noise = cv2.blur(rng.standard_normal(image.shape, np.float32), (3, 3))
    return to_uint8(image + np.float32(3 * sigma) * noise)


def masked_noise(image: RGB, sigma: float, rng: Generator) -> RGB:
    """Noise in Y, Cb and Cr in proportion to the local contrast, so that texture masks it."""
    plane = luma(image)
    mean = cv2.GaussianBlur(plane, (0, 0), 3)
    variance = np.maximum(cv2.GaussianBlur(plane * plane, (0, 0), 3) - mean * mean, 0)
    amplitude = np.sqrt(variance + 1)
    amplitude /= np.sqrt(np.mean(amplitude * amplitude))
    noise = rng.standard_normal(image.shape, np.float32) * _LUMA_LESS
    return ycbcr_to_rgb(rgb_to_ycbcr(image) + np.float32(sigma) * amplitude[..., None] * noise)


def high_frequency_noise(image: RGB, sigma: float, rng: Generator) -> RGB:
    """Gaussian noise above 0.38 of the Nyquist frequency."""
    height, width = image.shape[:2]
    noise = scipy.fft.dctn(rng.standard_normal(image.shape, np.float32), axes=(0, 1), norm="ortho")
    vertical = (np.arange(height) / height)[:, None]
    horizontal = (np.arange(width) / width)[None, :]
    kept = np.hypot(vertical, horizontal) > 0.38
    noise = scipy.fft.idctn(noise * kept[..., None], axes=(0, 1), norm="ortho")
    return to_uint8(image + sigma / np.sqrt(kept.mean()) * noise)


def impulse_noise(image: RGB, density: float, rng: Generator) -> RGB:
    """Salt and pepper: each sample becomes 0 or 255 with probability `density`."""
    chance = rng.random(image.shape, np.float32)
    salt = rng.random(image.shape, np.float32) < 0.5
    return np.where(chance < density, np.where(salt, np.uint8(255), np.uint8(0)), image)


def multiplicative_noise(image: RGB, sigma: float, rng: Generator) -> RGB:
    """Speckle: multiplies every sample by one plus Gaussian noise."""
    noise = rng.standard_normal(image.shape, np.float32)
    return to_uint8(image * (1 + np.float32(sigma) * noise))


def comfort_noise(image: RGB, step: float, rng: Generator) -> RGB:
    """Simulates a DCT coder (32 x 32 blocks) that omits the signs of coefficients below `step`.

    Such coefficients resemble noise; random signs preserve the texture's energy.
    """
    height, width = image.shape[:2]
    planes = rgb_to_ycbcr(image)
    for channel in range(3):
        coefficients = dct.block_dct(planes[..., channel], 32)
        signs = np.where(rng.random(coefficients.shape, np.float32) < 0.5, -1, 1)
        signs[:, :, 0, 0] = 1
        small = np.abs(coefficients) < step
        planes[..., channel] = dct.block_idct(
            np.where(small, signs * coefficients, coefficients), height, width
        )
    return ycbcr_to_rgb(planes)


DISTORTIONS = (
    Distortion(
        "white_noise",
        "noise",
        white_noise,
        _SIGMAS,
        (0, 128),
        "standard deviation (of 255)",
        "Independent Gaussian noise in R, G and B.",
        "TID2013, KADID-10k",
        tid2013=1,
        kadid10k=11,
    ),
    Distortion(
        "colour_noise",
        "noise",
        colour_noise,
        (4.0, 5.7, 8.1, 11.5, 16.5),
        (0, 160),
        "standard deviation in chroma (of 255)",
        "Gaussian noise in Y, Cb and Cr, stronger in the chroma components.",
        "TID2013, KADID-10k",
        tid2013=2,
        kadid10k=12,
    ),
    Distortion(
        "correlated_noise",
        "noise",
        correlated_noise,
        _SIGMAS,
        (0, 128),
        "standard deviation (of 255)",
        "Spatially correlated (low-pass) Gaussian noise.",
        "TID2013",
        tid2013=3,
    ),
    Distortion(
        "masked_noise",
        "noise",
        masked_noise,
        (4.0, 5.7, 8.1, 11.5, 16.5),
        (0, 128),
        "standard deviation (of 255)",
        "Noise, stronger in chroma, placed where texture masks it.",
        "TID2013",
        tid2013=4,
    ),
    Distortion(
        "high_frequency_noise",
        "noise",
        high_frequency_noise,
        (5.7, 8.06, 14.2, 25.3, 45.0),
        (0, 160),
        "standard deviation (of 255)",
        "Gaussian noise in the high spatial frequencies only.",
        "TID2013",
        tid2013=5,
    ),
    Distortion(
        "impulse_noise",
        "noise",
        impulse_noise,
        (0.0016, 0.0036, 0.0072, 0.0145, 0.029),
        (0, 1),
        "share of samples",
        "Salt and pepper noise in R, G and B.",
        "TID2013, KADID-10k",
        tid2013=6,
        kadid10k=13,
    ),
    Distortion(
        "multiplicative_noise",
        "noise",
        multiplicative_noise,
        (0.045, 0.065, 0.092, 0.13, 0.19),
        (0, 2),
        "standard deviation of the factor",
        "Speckle: samples times one plus Gaussian noise.",
        "TID2013, KADID-10k",
        tid2013=19,
        kadid10k=14,
    ),
    Distortion(
        "comfort_noise",
        "noise",
        comfort_noise,
        (10.0, 18.0, 30.0, 55.0, 100.0),
        (0, 1000),
        "largest coefficient whose sign is lost",
        "Small DCT coefficients keep their size and lose their sign.",
        "TID2013",
        tid2013=20,
    ),
)
