"""Downscaling and upscaling, as in super-resolution benchmarks."""

from __future__ import annotations

import functools

import numpy as np
from PIL import Image

from data_pipelines.distortions.compression import jpeg
from data_pipelines.distortions.entry import Distortion, Function
from data_pipelines.distortions.noise import white_noise
from data_pipelines.distortions.pixels import RGB
from data_pipelines.distortions.restoration import sharpening

Generator = np.random.Generator
FACTORS = (1.5, 2.0, 3.0, 4.5, 7.0)
BOUNDS = (1.0, 32.0)
UNIT = "scale factor"


def resize(image: RGB, width: int, height: int, filter_name: str) -> RGB:
    """Resamples with Pillow: nearest, bilinear, bicubic, lanczos, box or hamming."""
    resampling = Image.Resampling[filter_name.upper()]
    return np.array(Image.fromarray(image).resize((width, height), resampling))


def _reduce(image: RGB, factor: float, filter_name: str = "bicubic") -> RGB:
    height, width = image.shape[:2]
    return resize(image, max(1, round(width / factor)), max(1, round(height / factor)), filter_name)


def upscaled(image: RGB, factor: float, rng: Generator, *, up: str, down: str = "bicubic") -> RGB:
    """Reduces by `factor` with the filter `down` and enlarges with the filter `up`."""
    height, width = image.shape[:2]
    return resize(_reduce(image, factor, down), width, height, up)


def upscaled_sharpened(image: RGB, factor: float, rng: Generator) -> RGB:
    """Reduces, enlarges with Lanczos, and sharpens, more for larger factors."""
    return sharpening(upscaled(image, factor, rng, up="lanczos"), min(factor - 1, 4) / 2, rng)


def upscaled_jpeg(image: RGB, factor: float, rng: Generator) -> RGB:
    """Compresses the reduced image as JPEG before enlarging it."""
    height, width = image.shape[:2]
    small = jpeg(_reduce(image, factor), 40 * factor, rng)
    return resize(small, width, height, "bicubic")


def upscaled_noise(image: RGB, factor: float, rng: Generator) -> RGB:
    """Adds noise to the reduced image before enlarging it."""
    height, width = image.shape[:2]
    small = white_noise(_reduce(image, factor), 2 * factor, rng)
    return resize(small, width, height, "bicubic")


def back_projection(image: RGB, factor: float, rng: Generator) -> RGB:
    """Reduces and enlarges by iterated back-projection (Irani and Peleg, 1991): sharp, ringing."""
    height, width = image.shape[:2]
    small = _reduce(image, factor).astype(np.float32)
    estimate = _resize_float(small, width, height)
    for _ in range(6):
        error = small - _resize_float(estimate, small.shape[1], small.shape[0])
        estimate += 1.3 * _resize_float(error, width, height)
    return np.clip(np.rint(estimate), 0, 255).astype(np.uint8)


def _resize_float(planes: np.ndarray, width: int, height: int) -> np.ndarray:
    resized = [
        np.asarray(
            Image.fromarray(planes[..., c]).resize((width, height), Image.Resampling.BICUBIC)
        )
        for c in range(3)
    ]
    return np.stack(resized, axis=-1)


def entry(name: str, function: Function, description: str, source: str) -> Distortion:
    """A distortion of this group, whose strength is the factor of the reduction."""
    return Distortion(name, "scaling", function, FACTORS, BOUNDS, UNIT, description, source)


DISTORTIONS = (
    *(
        entry(
            f"upscaling_{up}",
            functools.partial(upscaled, up=up),
            f"Reduced with bicubic and enlarged with {up} interpolation.",
            "Pillow resize",
        )
        for up in ("nearest", "bilinear", "bicubic", "lanczos")
    ),
    entry(
        "upscaling_aliased",
        functools.partial(upscaled, up="bicubic", down="nearest"),
        "Reduced without a low-pass filter (aliasing) and enlarged with bicubic interpolation.",
        "Pillow resize",
    ),
    entry(
        "upscaling_sharpened",
        upscaled_sharpened,
        "Reduced, enlarged with Lanczos and sharpened.",
        "Pillow resize, OpenCV",
    ),
    entry(
        "upscaling_jpeg",
        upscaled_jpeg,
        "Reduced, compressed as JPEG and enlarged.",
        "Pillow",
    ),
    entry("upscaling_noise", upscaled_noise, "Reduced, noise added and enlarged.", "Pillow"),
    entry(
        "back_projection",
        back_projection,
        "Reduced and enlarged by iterated back-projection.",
        "Irani and Peleg, 1991",
    ),
)
