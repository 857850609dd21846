"""Several scales of an image on one plane: one large program compiles faster than many small ones.

The first scale lies at the top left, with the others stacked to its right.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from gsn_jax.images.size_classes import Extent
from gsn_jax.metrics import extents


def place(levels: Sequence[Float[Array, "*shape"]], gap: int) -> Float[Array, "*batch h w"]:
    """All scales on one plane, with `gap` zeros between any two."""
    first, *others = levels
    width = others[0].shape[-1] if others else 0
    column = [_extended(level, level.shape[-2] + gap, width) for level in others]
    height = max(first.shape[-2], sum(level.shape[-2] for level in column))
    parts = [_extended(first, height, first.shape[-1] + gap)]
    if column:
        parts.append(_extended(jnp.concatenate(column, -2), height, width))
    return jnp.concatenate(parts, -1)


def mask(
    sizes: Sequence[tuple[int, int]], inside: Sequence[Extent | None], gap: int
) -> Float[Array, "h w"]:
    """1 inside the image at each scale, 0 elsewhere.

    Args:
        sizes: height and width of each scale.
        inside: the image's extent at each scale.
        gap: as for `place`.
    """
    ones = [extents.filled(jnp.ones(n), extent) for n, extent in zip(sizes, inside, strict=True)]
    return place(ones, gap)


def index(shape: Sequence[int], sizes: Sequence[tuple[int, int]], gap: int) -> Int[Array, "h w"]:
    """The index of each sample's scale; gaps belong to the scale to their left or above them.

    Args:
        shape: of the canvas.
        sizes: height and width of each scale.
        gap: as for `place`.
    """
    starts = [row for row, _ in _corners(sizes, gap)[1:]]
    others = np.maximum(np.searchsorted(starts, np.arange(shape[-2]), "right"), 1).astype(np.int32)
    right = np.arange(shape[-1]) >= sizes[0][1] + gap
    return jnp.where(right, others[:, None], np.int32(0))


def borders(
    shape: Sequence[int], sizes: Sequence[tuple[int, int]], inside: Sequence[Extent]
) -> list[tuple[Bool[Array, "h w"], Bool[Array, "h w"]]]:
    """Masks of the first and last rows, and of the first and last columns, of all scales.

    Args:
        shape: of a canvas without gaps.
        sizes: height and width of each scale on the canvas.
        inside: height and width of the image in the top left corner of each scale.
    """
    height, width = shape
    corners = _corners(sizes, 0)
    split = corners[-1][1] if len(corners) > 1 else width
    starts = [row for row, _ in corners[1:]]
    rows, columns = (np.arange(size, dtype=np.int32) for size in (height, width))
    right = columns >= split
    other = np.maximum(np.searchsorted(starts, rows, "right"), 1)
    lower = np.array([0, *starts], np.int32)[other][:, None]
    heights, widths = (
        jnp.stack([jnp.asarray(extent[axis], jnp.int32) for extent in inside]) for axis in (0, 1)
    )
    bottom = jnp.where(right, lower + heights[other][:, None], heights[0]) - 1
    last = jnp.where(right, split + widths[other][:, None], widths[0]) - 1
    return [
        (rows[:, None] == jnp.where(right, lower, 0), rows[:, None] == bottom),
        (jnp.asarray((columns == 0) | (columns == split))[None], columns == last),
    ]


def taken(
    planes: Float[Array, "*batch h w"], sizes: Sequence[tuple[int, int]], gap: int
) -> list[Float[Array, "*shape"]]:
    """The scales of a canvas; the inverse of `place`."""
    return [
        planes[..., row : row + height, column : column + width]
        for (row, column), (height, width) in zip(_corners(sizes, gap), sizes, strict=True)
    ]


def totals(
    planes: Float[Array, "*batch h w"], sizes: Sequence[tuple[int, int]], gap: int
) -> Float[Array, "*batch scales"]:
    """The sum over each scale of a canvas."""
    rows, columns = (np.zeros((length, len(sizes))) for length in planes.shape[-2:])
    for k, ((row, column), (height, width)) in enumerate(
        zip(_corners(sizes, gap), sizes, strict=True)
    ):
        rows[row : row + height, k] = 1
        columns[column : column + width, k] = 1
    inside, across = (jnp.asarray(weights, planes.dtype) for weights in (rows, columns))
    # As a product, see `reductions.total`.
    return (jnp.matmul(planes, across, precision=lax.Precision.HIGHEST) * inside).sum(-2)


def inner_totals(
    planes: Float[Array, "*batch h w"],
    sizes: Sequence[tuple[int, int]],
    inside: Sequence[Extent],
    border: Callable[[Array], Array] = jnp.zeros_like,
) -> Float[Array, "*batch scales"]:
    """The sum over each scale of a canvas without gaps.

    Args:
        planes: the canvas.
        sizes: height and width of each scale on the canvas.
        inside: height and width of the image in the top left corner of each scale.
        border: maps heights or widths of the image to the number of samples left out at each end.
    """
    corners = np.array(_corners(sizes, 0), np.int32)
    spans = []
    for axis in (0, 1):
        true = jnp.stack([jnp.asarray(extent[axis], jnp.int32) for extent in inside])[:, None]
        places = np.arange(planes.shape[axis - 2], dtype=np.int32) - corners[:, axis, None]
        least = border(true)
        spans.append(((places >= least) & (places < true - least)).astype(planes.dtype))
    rows, columns = spans
    # As a product, see `reductions.total`.
    return (jnp.matmul(rows, planes, precision=lax.Precision.HIGHEST) * columns).sum(-1)


def _corners(sizes: Sequence[tuple[int, int]], gap: int) -> list[tuple[int, int]]:
    """The row and column of each scale's first sample."""
    rows = itertools.accumulate((height + gap for height, _ in sizes[1:-1]), initial=0)
    column = sizes[0][1] + gap
    return [(0, 0), *((row, column) for row in rows)][: len(sizes)]


def _extended(planes: Float[Array, "*shape"], height: int, width: int) -> Float[Array, "*shape"]:
    """Appends zeros below and at the right."""
    missing = [(0, height - planes.shape[-2]), (0, width - planes.shape[-1])]
    return jnp.pad(planes, [(0, 0)] * (planes.ndim - 2) + missing)
