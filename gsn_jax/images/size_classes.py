"""Size classes: arrays of few shapes for images of many sizes, so that few programs are compiled.

XLA compiles a program for every shape. An image is put into the top left corner of an array of its
class, and its true height and width, an `Extent`, are passed as data. The class depends only on the
image's size.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

Shape = tuple[int, int]

# Some methods first reduce images until the smaller side is close to 256 pixels. Images whose
# smaller side is below this limit keep their resolution there, and have arrays of their own: see
# `gsn_jax.metrics.filters.viewed`.
DECIMATED = 384

# Height and width in pixels. Images between 300 and 700 pixels use three of them, and fill 60 % of
# the array on average. The large ones are common sizes of photographs and screens.
SHAPES: tuple[Shape, ...] = (
    (96, 96),
    (192, 192),
    (288, 288),
    (128, 704),
    (704, 128),
    (288, 480),
    (480, 288),
    (383, 704),
    (704, 383),
    (383, 1088),
    (1088, 383),
    (704, 704),
    (768, 1088),
    (1088, 768),
    (1088, 1088),
    (1088, 1472),
    (1472, 1088),
    (1088, 1920),
    (1920, 1088),
    (1600, 2176),
    (2176, 1600),
    (2176, 2176),
    (2176, 3072),
    (3072, 2176),
    (2176, 3840),
    (3840, 2176),
    (3072, 4096),
    (4096, 3072),
    (4096, 4096),
)

# An image may be padded to this many times its area, or in any ratio to arrays of up to `_SMALL`
# pixels.
_LARGEST_RATIO = 2.0
_SMALL = 704 * 704


class Extent(NamedTuple):
    """The rows and columns of an array that hold the image; the others are padding.

    Attributes:
        height: number of rows, int32; for a batch, one for each image.
        width: number of columns, likewise.
    """

    height: Any
    width: Any


@functools.lru_cache(maxsize=4096)
def size_class(height: int, width: int) -> Shape | None:
    """The smallest shape that holds an image; None where it would mostly be padding."""
    small = min(height, width) < DECIMATED
    fitting = [
        shape
        for shape in SHAPES
        if shape[0] >= height and shape[1] >= width and (min(shape) < DECIMATED) == small
    ]
    if not fitting:
        return None
    rows, columns = min(fitting, key=lambda shape: shape[0] * shape[1])
    area = rows * columns
    return (rows, columns) if area <= max(_SMALL, _LARGEST_RATIO * height * width) else None


def placed(image: np.ndarray | jax.Array, shape: Shape) -> np.ndarray | jax.Array:
    """An image `(H, W, 3)` as float32 in [0, 1] in the top left corner of an array of zeros.

    Args:
        image: uint8, uint16, or float32 in [0, 1]; a JAX array is only padded, and must be float32.
        shape: height and width of the array.
    """
    height, width, channels = image.shape
    if not isinstance(image, np.ndarray):
        return jnp.pad(image, ((0, shape[0] - height), (0, shape[1] - width), (0, 0)))
    window = np.empty((*shape, channels), np.float32)
    largest = {np.uint8: 255, np.uint16: 65535}.get(image.dtype.type, 1)
    # Divides by the same number as `as_float`, so that the values are bitwise equal.
    np.divide(image, np.float32(largest), out=window[:height, :width], dtype=np.float32)
    window[height:] = 0
    window[:height, width:] = 0
    return window


def extent_of(image: np.ndarray | jax.Array) -> Extent:
    """The extent of an image `(..., H, W, 3)` that was not padded."""
    height, width = image.shape[-3:-1]
    return Extent(np.int32(height), np.int32(width))
