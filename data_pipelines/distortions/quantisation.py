"""Quantisation of samples, colours (a palette with or without dithering) and positions."""

from __future__ import annotations

import cv2
import numpy as np
from PIL import Image

from data_pipelines.distortions.entry import Distortion
from data_pipelines.distortions.pixels import RGB, to_uint8


def quantisation(image: RGB, step: float, rng: np.random.Generator) -> RGB:
    """Rounds every sample to a multiple of `step`."""
    if step <= 1:
        return image.copy()
    return to_uint8(np.rint(image / step) * step)


def colour_quantisation(image: RGB, share: float, rng: np.random.Generator) -> RGB:
    """Maps to a palette of `256 / share` colours without dithering."""
    return _to_palette(image, share, Image.Dither.NONE)


def colour_quantisation_dither(image: RGB, share: float, rng: np.random.Generator) -> RGB:
    """Maps to a palette of `256 / share` colours with Floyd-Steinberg dithering."""
    return _to_palette(image, share, Image.Dither.FLOYDSTEINBERG)


def _to_palette(image: RGB, share: float, dither: Image.Dither) -> RGB:
    colours = int(np.clip(round(256 / share), 2, 256))
    picture = Image.fromarray(image)
    palette = picture.quantize(colours, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    return np.array(picture.quantize(palette=palette, dither=dither).convert("RGB"))


def pixelate(image: RGB, size: float, rng: np.random.Generator) -> RGB:
    """Replaces blocks of about `size` x `size` pixels with their mean colour."""
    height, width = image.shape[:2]
    small = (max(1, round(width / size)), max(1, round(height / size)))
    reduced = cv2.resize(image.astype(np.float32), small, interpolation=cv2.INTER_AREA)
    return to_uint8(cv2.resize(reduced, (width, height), interpolation=cv2.INTER_NEAREST))


DISTORTIONS = (
    Distortion(
        "quantisation",
        "quantisation",
        quantisation,
        (19.0, 27.0, 39.0, 55.0, 76.0),
        (1, 255),
        "step (of 255)",
        "Uniform quantisation of R, G and B.",
        "TID2013, KADID-10k",
        tid2013=7,
        kadid10k=22,
    ),
    Distortion(
        "colour_quantisation",
        "quantisation",
        colour_quantisation,
        (4.0, 6.0, 10.0, 18.0, 36.0),
        (1, 128),
        "256 / number of colours",
        "A reduced palette without dithering.",
        "KADID-10k",
        kadid10k=6,
    ),
    Distortion(
        "colour_quantisation_dither",
        "quantisation",
        colour_quantisation_dither,
        (4.0, 7.0, 12.0, 24.0, 50.0),
        (1, 128),
        "256 / number of colours",
        "A reduced palette with Floyd-Steinberg dithering.",
        "TID2013",
        tid2013=22,
    ),
    Distortion(
        "pixelate",
        "quantisation",
        pixelate,
        (2.0, 3.0, 4.0, 6.0, 9.0),
        (1, 64),
        "block size (pixels)",
        "Blocks of their mean colour.",
        "KADID-10k",
        kadid10k=21,
    ),
)
