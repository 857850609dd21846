"""Displaced pixels: copied patches, blocks of colour, jitter."""

from __future__ import annotations

import cv2
import numpy as np

from data_pipelines.distortions.draws import at_least
from data_pipelines.distortions.entry import Distortion
from data_pipelines.distortions.pixels import RGB, to_uint8

_PATCH = 15
_BLOCK = 32
# Enough for every strength at 512 x 384 pixels.
_DRAWN = 4096


def pattern_noise(image: RGB, count: float, rng: np.random.Generator) -> RGB:
    """Replaces small patches with copies of the image a few pixels away.

    There are `count` patches of 15 x 15 pixels per 512 x 384 pixels; a fraction gives a patch of
    fewer rows.
    """
    height, width = image.shape[:2]
    size = min(_PATCH, height // 2, width // 2)
    count *= height * width / (512 * 384)
    places = _places(count, rng)
    moves = at_least(
        _DRAWN, count, rng, lambda rng, items: rng.integers(-size // 2, size // 2 + 1, (items, 2))
    )
    result = image.copy()
    for index, part in _parts(count):
        top, left = (places[index] * (height - size + 1, width - size + 1)).astype(int)
        down, right = moves[index]
        from_top = int(np.clip(top + down, 0, height - size))
        from_left = int(np.clip(left + right, 0, width - size))
        rows = int(np.ceil(size * part))
        source = image[from_top : from_top + rows, from_left : from_left + size]
        result[top : top + rows, left : left + size] = source
    return result


def blocks(image: RGB, amount: float, rng: np.random.Generator) -> RGB:
    """Offsets the colour of 32 x 32 blocks by `amount` (of 255), with a random sign per channel."""
    height, width = image.shape[:2]
    count = max(1, round(16 * height * width / (512 * 384)))
    places = _places(count, rng)
    signs = at_least(_DRAWN, count, rng, lambda rng, items: rng.choice([-1, 1], (items, 3)))
    result = image.astype(np.float32)
    for index in range(count):
        top, left = (
            places[index] * (max(height - _BLOCK, 0) + 1, max(width - _BLOCK, 0) + 1)
        ).astype(int)
        result[top : top + _BLOCK, left : left + _BLOCK] += amount * signs[index]
    return to_uint8(result)


def colour_blocks(image: RGB, count: float, rng: np.random.Generator) -> RGB:
    """Paints blocks of 32 x 32 pixels with random colours; `count` per 512 x 384 pixels."""
    height, width = image.shape[:2]
    count *= height * width / (512 * 384)
    places = _places(count, rng)
    colours = at_least(
        _DRAWN, count, rng, lambda rng, items: rng.integers(0, 256, (items, 3), np.uint8)
    )
    result = image.copy()
    for index, part in _parts(count):
        top, left = (places[index] * (height - 16, width - 16)).astype(int)
        rows = int(np.ceil(_BLOCK * part))
        result[top : top + rows, left : left + _BLOCK] = colours[index]
    return result


def jitter(image: RGB, amount: float, rng: np.random.Generator) -> RGB:
    """Samples every pixel bilinearly at a random offset, Gaussian with sigma `amount` pixels."""
    height, width = image.shape[:2]
    moves = np.float32(amount) * rng.standard_normal((2, height, width), np.float32)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    moved = cv2.remap(
        image.astype(np.float32),
        x + moves[1],
        y + moves[0],
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT_101,
    )
    return to_uint8(moved)


def _places(count: float, rng: np.random.Generator) -> np.ndarray:
    """At least `count` random positions (row, column), as shares of what is possible."""
    return at_least(_DRAWN, count, rng, lambda rng, items: rng.random((items, 2)))


def _parts(count: float) -> list[tuple[int, float]]:
    """(index, share) of the items in `count`: share 1 of whole items, then the remainder."""
    whole = int(count)
    parts = [(index, 1.0) for index in range(whole)]
    return [*parts, (whole, count - whole)] if count > whole else parts


DISTORTIONS = (
    Distortion(
        "pattern_noise",
        "spatial",
        pattern_noise,
        (20.0, 40.0, 80.0, 150.0, 300.0),
        (0, 4000),
        "15 x 15 patches per 512 x 384 pixels",
        "Non-eccentricity pattern: patches replaced by their neighbourhood.",
        "TID2013, KADID-10k",
        tid2013=14,
        kadid10k=20,
    ),
    Distortion(
        "blocks",
        "spatial",
        blocks,
        (12.0, 25.0, 45.0, 75.0, 120.0),
        (0, 255),
        "colour offset (of 255)",
        "Local block-wise distortion: 16 blocks of 32 x 32 with an offset colour.",
        "TID2013",
        tid2013=15,
    ),
    Distortion(
        "colour_blocks",
        "spatial",
        colour_blocks,
        (2.0, 4.0, 7.0, 11.0, 16.0),
        (0, 2000),
        "32 x 32 blocks per 512 x 384 pixels",
        "Blocks painted with random colours.",
        "KADID-10k",
        kadid10k=23,
    ),
    Distortion(
        "jitter",
        "spatial",
        jitter,
        (0.3, 0.5, 0.9, 1.6, 3.0),
        (0, 40),
        "standard deviation (pixels)",
        "Pixels taken from random places nearby.",
        "KADID-10k",
        kadid10k=19,
    ),
)
