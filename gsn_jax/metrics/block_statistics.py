"""Moments of overlapping 16 x 16 blocks at every fourth pixel, for MAD."""

from __future__ import annotations

import itertools

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from gsn_jax.metrics import reductions

BLOCK = 16
STEP = 4
_CELLS = BLOCK // STEP
EPSILON = 1e-12  # added to a variance


def cells(plane: Float[Array, "*batch h w"]) -> Float[Array, "*batch h//4 w//4"]:
    """Means of the disjoint 4 x 4 cells; incomplete ones are left out."""
    height, width = (size // STEP for size in plane.shape[-2:])
    plane = plane[..., : height * STEP, : width * STEP]
    rows = plane.reshape(*plane.shape[:-2], height, STEP, width * STEP).sum(-2)
    return rows.reshape(*rows.shape[:-1], width, STEP).sum(-1) / STEP**2


def block_mean(
    cell_means: Float[Array, "*batch h w"], across: int = _CELLS
) -> Float[Array, "*batch _h _w"]:
    """Means of blocks of `across` x `across` cells; both axes lose `across` - 1."""
    for axis in (-2, -1):
        axis %= cell_means.ndim
        size = cell_means.shape[axis] - across + 1
        parts = (
            lax.slice_in_dim(cell_means, i, i + size, axis=axis) / across for i in range(across)
        )
        cell_means = reductions.add(parts)
    return cell_means


def mean_and_deviation(
    plane: Float[Array, "*batch h w"],
) -> tuple[Float[Array, "*batch _h _w"], Float[Array, "*batch _h _w"]]:
    """Mean and standard deviation of each block, `((H - 12) // 4, (W - 12) // 4)`."""
    means, (variance, *_) = _central_moments(plane, highest=2)
    return means, jnp.sqrt(variance + EPSILON)


def least_quadrant_deviation(plane: Float[Array, "*batch h w"]) -> Float[Array, "*batch _h _w"]:
    """The least standard deviation of the four 8 x 8 quadrants of each block."""
    _, (variance, *_) = _central_moments(plane, highest=2, across=_CELLS // 2)
    least = variance
    for axis in (-2, -1):
        axis %= least.ndim
        size = least.shape[axis]
        near, far = (
            lax.slice_in_dim(least, start, start + size - 2, axis=axis) for start in (0, 2)
        )
        least = jnp.minimum(near, far)
    return jnp.sqrt(least + EPSILON)


def shape_statistics(
    plane: Float[Array, "*batch h w"],
) -> tuple[
    Float[Array, "*batch _h _w"], Float[Array, "*batch _h _w"], Float[Array, "*batch _h _w"]
]:
    """Standard deviation, skewness and excess kurtosis of each block."""
    _, (second, third, fourth) = _central_moments(plane, highest=4)
    deviation = jnp.sqrt(second + EPSILON)
    # By the reciprocal: the derivative of a quotient divides by deviation^8, which underflows.
    scale = 1 / deviation
    return deviation, third * scale**3, fourth * scale**4 - 3


def _central_moments(
    plane: Float[Array, "*batch h w"], highest: int, across: int = _CELLS
) -> tuple[Float[Array, "*batch _h _w"], tuple[Float[Array, "*batch _h _w"], ...]]:
    """Block means, and central moments of order 2 to 4 (zero above `highest`).

    The moments about each cell's own mean are moved to the block's mean. Raw powers of the values
    would lose all bits where a block hardly varies.
    """
    centre = cells(plane)
    height, width = (size * STEP for size in centre.shape[-2:])
    spread = jnp.repeat(jnp.repeat(centre, STEP, -2), STEP, -1)
    residual = plane[..., :height, :width] - spread
    square = residual * residual
    own = [cells(square)]
    if highest == 4:
        own += [cells(square * residual), cells(square * square)]
    mean = block_mean(centre, across)
    second = third = fourth = jnp.zeros_like(mean)
    rows, columns = mean.shape[-2:]
    for row, column in itertools.product(range(across), repeat=2):
        window = (..., slice(row, row + rows), slice(column, column + columns))
        shift = centre[window] - mean
        m2 = own[0][window]
        second += m2 + shift**2
        if highest == 4:
            m3, m4 = own[1][window], own[2][window]
            third += m3 + shift * (3 * m2 + shift**2)
            fourth += m4 + shift * (4 * m3 + shift * (6 * m2 + shift**2))
    return mean, tuple(moment / across**2 for moment in (second, third, fourth))
