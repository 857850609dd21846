"""Errors of texture and structure of a whole image, as in DISTS (Ding et al., IEEE TPAMI 2022).

They depend on five means over the image per channel, which are sums over tiles in a tiled image.
The texture of an image is in its statistics, which windows of a few cells do not give.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gsn_jax.backbones.resampling import reduce_to
from gsn_jax.images.padded import Sizes

# DISTS's stabilisers c1 and c2, in units of squared features.
STRUCTURE_FLOOR = 1e-6

# Means over the image per channel: of a, b, a^2, b^2 and (a - b)^2.
MOMENTS = 5


def moment_sums(
    levels: Sequence[tuple[jax.Array, jax.Array]], weights: Sequence[jax.Array]
) -> Float[Array, "n 5c"]:
    """Weighted sums over positions of a, b, a^2, b^2 and (a - b)^2, for all channels of all levels.

    Args:
        levels: features of references and of distorted images, `(N, H, W, C)` each.
        weights: of the positions of each level, `(N, H, W)`.
    """
    sums = [
        [weighted_sums(x, weight) for x in (a, b, a**2, b**2, (a - b) ** 2)]
        for (a, b), weight in zip(levels, weights, strict=True)
    ]
    return jnp.concatenate(list(itertools.chain(*zip(*sums, strict=True))), axis=-1)


def position_weights(
    cells: Float[Array, "n rows columns"],
    shape: Sequence[int],
    stride: int,
    target: int,
    sizes: Sizes = None,
) -> Float[Array, "n h w"]:
    """The share of each position of a level in the means over `cells`.

    Args:
        cells: weights of the cells.
        shape: N, h and w of the level.
        stride: image pixels per position of the level.
        target: image pixels per cell.
        sizes: true sizes of the images, see `gsn_jax.images.padded`.
    """
    positions = jax.ShapeDtypeStruct((*shape, 1), jnp.float32)
    spread = jax.linear_transpose(lambda x: reduce_to(x, stride, target, sizes), positions)
    return spread(cells[..., None])[0][..., 0]


def weighted_sums(
    x: Float[Array, "n h w c"], weights: Float[Array, "n h w"]
) -> Float[Array, "n c"]:
    """Weighted sums over positions.

    As a matrix product, which on a CPU is several times as fast as XLA's sum.
    """
    batch, height, width, channels = x.shape  # named, since an exporter may not know them
    row = weights.reshape(batch, 1, height * width)
    columns = x.reshape(batch, height * width, channels)
    return jnp.matmul(row, columns, precision=jax.lax.Precision.HIGHEST)[:, 0]


def texture_and_structure_errors(means: Float[Array, "*batch 5c"]) -> Float[Array, "*batch 2c"]:
    """One minus DISTS's similarities, without their cancellation; both from 0 to 2.

    With means m, variances v and the variance v_d of the difference, the texture error is
    (m_a - m_b)^2 / (m_a^2 + m_b^2 + c1) and the structure error v_d / (v_a + v_b + c2).

    Args:
        means: what `moment_sums` gives, over the number of positions.

    Returns:
        Texture errors of all channels, then structure errors.
    """
    a, b, a_squared, b_squared, difference_squared = jnp.split(means, MOMENTS, axis=-1)
    apart = (a - b) ** 2
    # Rounding may leave a variance just below 0.
    difference = jnp.maximum(difference_squared - apart, 0)
    variances = jnp.maximum(a_squared - a**2, 0) + jnp.maximum(b_squared - b**2, 0)
    texture = apart / (a**2 + b**2 + STRUCTURE_FLOOR)
    return jnp.concatenate([texture, difference / (variances + STRUCTURE_FLOOR)], axis=-1)
