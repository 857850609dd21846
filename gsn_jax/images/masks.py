"""Masks: how much each pixel of an image counts, from 0 (not at all) to 1 (fully).

A mask is white where an image counts. Metrics with a quality map weight the map's cells by it, see
`cell_weights`.
"""

from __future__ import annotations

import os

import numpy as np
from jaxtyping import Float
from PIL import Image

from gsn_jax.errors import InputError
from gsn_jax.images import pillow
from gsn_jax.images.files import MAX_PIXELS, load_image
from gsn_jax.images.raster import check_range

MaskLike = str | os.PathLike[str] | np.ndarray | Image.Image


def as_mask(mask: MaskLike, *, max_pixels: int = MAX_PIXELS) -> Float[np.ndarray, "*batch h w"]:
    """A path, Pillow image or array as a mask: float32 `(..., H, W)` in [0, 1].

    Args:
        mask: a path or a Pillow image, both gray; or an array `(..., H, W)` of bool, uint8, uint16
            or floats in [0, 1].
        max_pixels: see `gsn_jax.images.load_image`.

    Raises:
        InputError: it cannot be read, is in colour, has another shape, type or range, or is 0
            everywhere.
    """
    where = str(mask) if isinstance(mask, (str, os.PathLike)) else "mask"
    if isinstance(mask, (str, os.PathLike)):
        values = _gray(load_image(mask, max_pixels=max_pixels), where)
    elif isinstance(mask, Image.Image):
        values = _gray(pillow.from_object(mask, where, "refuse"), where)
    else:
        values = np.asarray(mask)
    if values.ndim < 2 or 0 in values.shape:
        raise InputError(f"{where}: a mask must have the shape (height, width), got {values.shape}")
    largest = {"bool": 1, "uint8": 255, "uint16": 65535}.get(values.dtype.name)
    if largest is None and not np.issubdtype(values.dtype, np.floating):
        raise InputError(
            f"{where}: a mask must be bool, uint8, uint16 or float in [0, 1], got {values.dtype}"
        )
    weights = np.asarray(values, np.float32) / np.float32(largest or 1)
    check_range(weights, where)
    if not weights.any((-2, -1)).all():
        raise InputError(f"{where}: the mask is empty (0 everywhere); make it white where to score")
    return weights


def check_mask_size(
    mask: np.ndarray, image: np.ndarray, names: tuple[str, str] = ("mask", "image")
) -> None:
    """Refuses a mask `(..., H, W)` whose size differs from that of the image `(..., H, W, 3)`.

    Args:
        mask: the mask.
        image: the image.
        names: what to call them in an error message.

    Raises:
        InputError: the sizes differ.
    """
    if mask.shape[-2:] != image.shape[-3:-1]:
        (rows, columns), (height, width) = mask.shape[-2:], image.shape[-3:-1]
        raise InputError(
            f"{names[0]}: size {columns} x {rows} differs from {width} x {height} of {names[1]}; "
            "a mask must have the size of its image"
        )


def cell_weights(
    mask: Float[np.ndarray, "height width"], step: float, first: float, cells: tuple[int, int]
) -> Float[np.ndarray, "h w"]:
    """The weight of each cell of a quality map: the mean of a mask over the pixels nearest to it.

    Args:
        mask: one weight per pixel.
        step: distance of neighbouring cells in pixels.
        first: position of the first cell's centre, in pixels from the centre of the first pixel.
        cells: height and width of the map. Pixels beyond the outer cells belong to them.
    """
    if mask.shape == cells and (step, first) == (1, 0):
        return mask
    rows = _cell_means(mask, step, first, cells[0])
    return _cell_means(rows.T, step, first, cells[1]).T


def _cell_means(
    lines: Float[np.ndarray, "size n"], step: float, first: float, cells: int
) -> Float[np.ndarray, "cells n"]:
    """The mean, for each cell, over the lines that are nearest to it."""
    last = len(lines) - 1
    nearest = np.clip(np.floor((np.arange(last + 1) - first) / step + 0.5), 0, cells - 1)
    numbers, starts, sizes = np.unique(nearest, return_index=True, return_counts=True)
    # A cell that is nearest to no line, as beyond the image, has the weight of the line next to it.
    weights = lines[np.clip(np.rint(first + step * np.arange(cells)), 0, last).astype(int)]
    sums = np.add.reduceat(lines, starts, axis=0)
    weights[numbers.astype(int)] = sums / sizes[:, None].astype(np.float32)
    return weights


def _gray(image: np.ndarray, where: str) -> np.ndarray:
    if (image != image[..., :1]).any():
        raise InputError(f"{where}: a mask must be gray, but this image is in colour; convert it")
    return image[..., 0]
