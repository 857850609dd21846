"""Artefacts of restoration: denoising, deblocking, sharpening, sparse reconstruction."""

from __future__ import annotations

import cv2
import numpy as np

from data_pipelines.distortions import dct
from data_pipelines.distortions.compression import jpeg
from data_pipelines.distortions.entry import Distortion
from data_pipelines.distortions.noise import white_noise
from data_pipelines.distortions.pixels import RGB, rgb_to_ycbcr, to_uint8, ycbcr_to_rgb

Generator = np.random.Generator


def denoising(image: RGB, sigma: float, rng: Generator) -> RGB:
    """White noise, then sliding-window DCT denoising with a matching threshold."""
    return _dct_denoise(white_noise(image, sigma, rng), 2.7 * sigma)


def _dct_denoise(image: RGB, threshold: float) -> RGB:
    """Hard thresholding of orthonormal 8 x 8 DCTs, averaged over 16 grid positions."""
    height, width = image.shape[:2]
    total = np.zeros((height, width, 3))
    shifts = range(0, 8, 2)
    padded = np.pad(image.astype(np.float32), ((8, 8), (8, 8), (0, 0)), mode="symmetric")
    for down in shifts:
        for right in shifts:
            view = padded[down:, right:]
            for channel in range(3):
                coefficients = dct.block_dct(view[..., channel], 8)
                kept = np.abs(coefficients) > threshold
                kept[:, :, 0, 0] = True
                plane = dct.block_idct(coefficients * kept, *view.shape[:2])
                total[..., channel] += plane[8 - down :, 8 - right :][:height, :width]
    return to_uint8(total / len(shifts) ** 2)


def median_filter(image: RGB, size: float, rng: Generator) -> RGB:
    """White noise of sigma `2 * size`, then a median over about `size` x `size` pixels."""
    noisy = white_noise(image, 2 * size, rng)
    return cv2.medianBlur(noisy, 2 * round(size / 2) + 1)


def bilateral_filter(image: RGB, sigma: float, rng: Generator) -> RGB:
    """White noise, then a bilateral filter that grows with the noise."""
    noisy = white_noise(image, sigma, rng)
    return cv2.bilateralFilter(noisy, 9, 3.5 * sigma, 1 + sigma / 8)


def nlmeans(image: RGB, sigma: float, rng: Generator) -> RGB:
    """White noise, then non-local means."""
    noisy = white_noise(image, sigma, rng)
    strength = float(1.1 * sigma)
    return cv2.fastNlMeansDenoisingColored(noisy, None, strength, strength, 5, 13)


def deblocking(image: RGB, scale: float, rng: Generator) -> RGB:
    """JPEG, then a bilateral filter that smooths the block edges."""
    reach = float(np.sqrt(scale))
    return cv2.bilateralFilter(jpeg(image, scale, rng), 7, 1.5 * reach, 2.0)


def sharpening(image: RGB, amount: float, rng: Generator) -> RGB:
    """Unsharp masking: adds `amount` times the difference from a Gaussian blur (sigma 2)."""
    values = image.astype(np.float32)
    return to_uint8(values + amount * (values - cv2.GaussianBlur(values, (0, 0), 2)))


def sparse_sampling(image: RGB, lost: float, rng: Generator) -> RGB:
    """Drops a share `lost` of the pixels and reconstructs them from the rest.

    Each round of the reconstruction thresholds overlapping 8 x 8 DCTs, with a falling threshold,
    and restores the known pixels (Guleryuz, 2006).
    """
    known = rng.random(image.shape[:2], np.float32) >= lost
    planes = rgb_to_ycbcr(image)
    weight = cv2.GaussianBlur(known.astype(np.float32), (0, 0), 2) + 1e-3
    filled = cv2.GaussianBlur(planes * known[..., None], (0, 0), 2) / weight[..., None]
    estimate = np.where(known[..., None], planes, filled)
    for threshold in (60, 30, 15, 8):
        for channel in range(3):
            estimate[..., channel] = _threshold_round(estimate[..., channel], threshold)
        estimate = np.where(known[..., None], planes, estimate)
    return ycbcr_to_rgb(estimate)


def _threshold_round(plane: np.ndarray, threshold: float) -> np.ndarray:
    height, width = plane.shape
    padded = np.pad(plane, 8, mode="symmetric")
    total = np.zeros((height, width))
    shifts = ((0, 0), (4, 4), (2, 6), (6, 2))
    for down, right in shifts:
        coefficients = dct.block_dct(padded[down:, right:], 8)
        coefficients *= np.abs(coefficients) > threshold
        restored = dct.block_idct(coefficients, *padded[down:, right:].shape)
        total += restored[8 - down :, 8 - right :][:height, :width]
    return (total / len(shifts)).astype(np.float32)


DISTORTIONS = (
    Distortion(
        "denoising",
        "restoration",
        denoising,
        (9.0, 15.0, 26.0, 48.0, 90.0),
        (0, 250),
        "standard deviation of the noise (of 255)",
        "White noise removed by DCT thresholding: lost texture, residual noise.",
        "TID2013, KADID-10k",
        tid2013=9,
        kadid10k=15,
    ),
    Distortion(
        "median_filter",
        "restoration",
        median_filter,
        (2.0, 4.0, 6.0, 10.0, 16.0),
        (0, 60),
        "window (pixels), half the noise's deviation",
        "White noise, then a median filter.",
        "OpenCV medianBlur",
    ),
    Distortion(
        "bilateral_filter",
        "restoration",
        bilateral_filter,
        (6.0, 10.0, 16.0, 26.0, 40.0),
        (0, 100),
        "standard deviation of the noise (of 255)",
        "White noise, then a bilateral filter.",
        "OpenCV bilateralFilter",
    ),
    Distortion(
        "nlmeans",
        "restoration",
        nlmeans,
        (6.0, 12.0, 20.0, 32.0, 50.0),
        (0, 120),
        "standard deviation of the noise (of 255)",
        "White noise, then non-local means.",
        "OpenCV fastNlMeansDenoisingColored",
    ),
    Distortion(
        "deblocking",
        "restoration",
        deblocking,
        (60.0, 120.0, 240.0, 550.0, 1200.0),
        (1, 6000),
        "JPEG tables (percent)",
        "JPEG, then a bilateral filter.",
        "OpenCV bilateralFilter",
    ),
    Distortion(
        "sharpening",
        "restoration",
        sharpening,
        (0.5, 1.0, 2.0, 4.0, 8.0),
        (0, 100),
        "gain of unsharp masking",
        "Over-sharpening by unsharp masking.",
        "KADID-10k",
        kadid10k=24,
    ),
    Distortion(
        "sparse_sampling",
        "restoration",
        sparse_sampling,
        (0.25, 0.45, 0.65, 0.82, 0.93),
        (0, 0.995),
        "share of lost pixels",
        "Sparse sampling and reconstruction.",
        "TID2013",
        tid2013=24,
    ),
)
