"""Images that fill only part of their array: extents of derived planes, and masks.

The extent `None` means that the image fills its array. Padding may hold any finite values: sums
leave it out (`reductions`), and filters apply the border rule at the edge of the image
(`filters.pad`).
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from gsn_jax.images.size_classes import Extent


def inside(extent: Extent | None, lost: int) -> Extent | None:
    """The extent after a "valid" correlation that loses `lost` rows and columns."""
    return extent and Extent(extent.height - lost, extent.width - lost)


def decimated(extent: Extent | None, factor: int | jax.Array = 2) -> Extent | None:
    """The extent after keeping every `factor`-th row and column, starting with the first."""
    return extent and Extent(*((size + factor - 1) // factor for size in extent))


def whole_blocks(extent: Extent | None, size: int) -> Extent | None:
    """The number of whole blocks of `size` x `size` samples, down and across."""
    return extent and Extent(extent.height // size, extent.width // size)


def multiplied(extent: Extent | None, factor: int) -> Extent | None:
    """The extent of blocks of `factor` x `factor` samples; the inverse of `whole_blocks`."""
    return extent and Extent(extent.height * factor, extent.width * factor)


def count(plane: Float[Array, "*batch h w"], extent: Extent | None) -> jax.Array | int:
    """The number of samples of the image."""
    if extent is None:
        return plane.shape[-2] * plane.shape[-1]
    return extent.height.astype(plane.dtype) * extent.width.astype(plane.dtype)


def mask(shape: tuple[int, ...], extent: Extent) -> Bool[Array, "*batch h w"]:
    """True inside the image, for planes of the given shape; `extent` may have leading axes."""
    rows, columns = (
        jnp.arange(size, dtype=jnp.int32) < jnp.asarray(true)[..., None]
        for size, true in zip(shape[-2:], extent, strict=True)
    )
    return rows[..., :, None] & columns[..., None, :]


def filled(
    plane: Float[Array, "*batch h w"], extent: Extent | None, value: float = 0.0
) -> Float[Array, "*batch h w"]:
    """The plane with the padding set to `value`."""
    return plane if extent is None else jnp.where(mask(plane.shape, extent), plane, value)
