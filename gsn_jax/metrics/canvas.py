"""Several scales of an image on one plane: one large program compiles faster than many small ones.

The first scale lies at the top left, and right of it the others, one below the other.
"""

from __future__ import annotations

from collections.abc import Sequence

import jax.numpy as jnp
from jaxtyping import Array, Float

from gsn_jax.images.size_classes import Extent
from gsn_jax.metrics import extents


def place(levels: Sequence[Float[Array, "*shape"]], gap: int) -> Float[Array, "*batch h w"]:
    """All scales on one plane, with `gap` samples of zeros between any two."""
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
    """1 where a scale has a sample, elsewhere 0.

    Args:
        sizes: height and width of each scale.
        inside: the image's extent in each.
        gap: as for `place`.
    """
    ones = [extents.filled(jnp.ones(n), extent) for n, extent in zip(sizes, inside, strict=True)]
    return place(ones, gap)


def _extended(planes: Float[Array, "*shape"], height: int, width: int) -> Float[Array, "*shape"]:
    """Appends zeros below and at the right."""
    missing = [(0, height - planes.shape[-2]), (0, width - planes.shape[-1])]
    return jnp.pad(planes, [(0, 0)] * (planes.ndim - 2) + missing)
