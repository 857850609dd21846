"""Converts any accepted image to a checked float32 array `(..., H, W, 3)` in [0, 1].

Arrays are sRGB, channels last, the reference first and the distorted image second. The Python API
checks its input here; commands, which score files only, decode and check with `files.load_image`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image

from gsn_jax.errors import InputError
from gsn_jax.images import pillow
from gsn_jax.images.files import MAX_PIXELS, load_image
from gsn_jax.images.raster import Alpha, check_range

ImageLike = str | os.PathLike[str] | np.ndarray | jax.Array | Image.Image


def as_float(array: Any) -> Any:
    """Scales uint8 and uint16 arrays to float32 in [0, 1]; floats become float32.

    Works on NumPy arrays (returning NumPy) and on JAX arrays and tracers.
    """
    xp = np if isinstance(array, np.ndarray) else jnp
    if array.dtype == np.uint8:
        return array.astype(xp.float32) / 255
    if array.dtype == np.uint16:
        return array.astype(xp.float32) / 65535
    return array.astype(xp.float32)


def as_array(
    image: ImageLike, *, where: str = "image", alpha: Alpha = "refuse", max_pixels: int = MAX_PIXELS
) -> np.ndarray | jax.Array:
    """A path, Pillow image or array as a checked float32 array `(..., H, W, 3)` in [0, 1].

    Args:
        image: a path; a Pillow image, which is read like its file; or an array `(..., H, W, 3)`,
            `(..., H, W, 1)` or `(H, W)` of uint8, uint16 or floats in [0, 1].
        where: what to call the image in an error message.
        alpha: see `load_image`.
        max_pixels: see `load_image`.

    Raises:
        InputError: the image cannot be read, or has another shape, type or range.
    """
    if isinstance(image, (str, os.PathLike)):
        return as_float(load_image(image, alpha=alpha, max_pixels=max_pixels))
    if isinstance(image, Image.Image):
        return as_float(pillow.from_object(image, where, alpha))
    if not isinstance(image, (np.ndarray, jax.Array)):
        image = _from_lists(image, where)
    if image.ndim == 2:
        image = image[..., None]
    if image.ndim < 3 or image.shape[-1] not in (1, 3) or 0 in image.shape:
        raise InputError(
            f"{where}: an image must have the shape (..., height, width, 3), got {image.shape}"
        )
    integer = image.dtype in (np.uint8, np.uint16)
    if not integer and not jnp.issubdtype(image.dtype, jnp.floating):
        raise InputError(
            f"{where}: an image must be uint8, uint16 or float in [0, 1], got {image.dtype}"
        )
    values = as_float(image)
    if not integer and not isinstance(image, jax.core.Tracer):
        check_range(np.asarray(values), where)
    if values.shape[-1] == 1:
        xp = np if isinstance(values, np.ndarray) else jnp
        values = xp.broadcast_to(values, (*values.shape[:-1], 3))
    return values


def check_no_files(name: str, *images: Any) -> None:
    """Refuses paths and the like, which pure functions do not take.

    Args:
        name: of the metric, for error messages.
        *images: what was given.

    Raises:
        InputError: one is no array.
    """
    for image in images:
        if image is None or isinstance(image, (str, bytes, os.PathLike)):
            raise InputError(
                f"{name}: needs arrays (..., H, W, 3), got {type(image).__name__}; read files with "
                "gsn_jax.images.as_array"
            )


def _from_lists(image: Any, where: str) -> np.ndarray:
    """Nested lists of numbers, or what NumPy can convert, as an array."""
    try:
        array = np.asarray(image)
    except (ValueError, TypeError, RuntimeError):  # e.g. rows of different lengths
        array = None
    if array is None or array.dtype.kind not in "biuf" or array.ndim == 0:
        raise InputError(
            f"{where}: an image must be a path, a Pillow image or an array, got "
            f"{type(image).__name__}; read bytes or an open file with PIL.Image.open"
        )
    return array


def pair_names(reference: ImageLike, distorted: ImageLike) -> list[str]:
    """Names of the images of a pair for messages: paths, or "reference" and "distorted"."""
    return [
        str(image) if isinstance(image, (str, os.PathLike)) else role
        for image, role in ((reference, "reference"), (distorted, "distorted"))
    ]


def as_pair(
    reference: ImageLike,
    distorted: ImageLike,
    *,
    min_size: int = 1,
    alpha: Alpha = "refuse",
    max_pixels: int = MAX_PIXELS,
) -> tuple[np.ndarray | jax.Array, np.ndarray | jax.Array]:
    """Converts both images of a pair by `as_array`, and checks that their shapes are equal.

    Args:
        reference: the pristine image.
        distorted: the image to judge.
        min_size: smallest height and width that the caller can work with.
        alpha: see `load_image`.
        max_pixels: see `load_image`.

    Returns:
        Two float32 arrays of equal shape `(..., H, W, 3)` in [0, 1].

    Raises:
        InputError: as for `as_array`; or the shapes differ; or the images are too small.
    """
    names = pair_names(reference, distorted)
    first, second = (
        as_array(image, where=name, alpha=alpha, max_pixels=max_pixels)
        for image, name in zip((reference, distorted), names, strict=True)
    )
    check_sizes(first, second, names, min_size)
    return first, second


def check_sizes(
    reference: np.ndarray | jax.Array,
    distorted: np.ndarray | jax.Array,
    names: Sequence[str] = ("reference", "distorted"),
    min_size: int = 1,
) -> None:
    """Refuses two arrays `(..., H, W, 3)` whose sizes differ or are too small.

    Args:
        reference: the pristine image.
        distorted: the image to judge.
        names: what to call them in an error message.
        min_size: smallest height and width.

    Raises:
        InputError: the shapes differ, or the images are too small.
    """
    if reference.shape != distorted.shape:
        if reference.shape[-3:] == distorted.shape[-3:]:
            raise InputError(
                f"{names[1]}: {_batch(distorted)} differs from {_batch(reference)} of {names[0]}; "
                "give each distorted image its reference"
            )
        raise InputError(
            f"{names[1]}: size {_size(distorted)} differs from {_size(reference)} of {names[0]}; "
            "a full-reference metric needs equal sizes"
        )
    check_size(reference.shape[-3:-1], names[0], min_size)


def check_size(size: Sequence[int], name: str = "reference", min_size: int = 1) -> None:
    """Refuses an image that is too small.

    Args:
        size: its height and width.
        name: what to call it in an error message.
        min_size: smallest height and width.

    Raises:
        InputError: it is too small.
    """
    height, width = size
    if min(height, width) < min_size:
        raise InputError(
            f"{name}: {width} x {height} is too small; at least {min_size} x {min_size} is needed"
        )


def _batch(array: np.ndarray | jax.Array) -> str:
    batch = tuple(array.shape[:-3])
    return f"batch {batch}" if batch else "a single image"


def _size(array: np.ndarray | jax.Array) -> str:
    *batch, height, width, _ = array.shape
    return f"{width} x {height}" + (f" (batch {tuple(batch)})" if batch else "")
