"""The Gaussian scale mixture model of small neighbourhoods, which VIF and IW-SSIM share."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Int

from gsn_jax.images.size_classes import Extent
from gsn_jax.metrics import extents, finite, reductions


def windows(
    plane: Float[Array, "*batch h w"], size: int, step: int
) -> Float[Array, "size*size *batch _h _w"]:
    """All `size` x `size` windows at multiples of `step`, one plane per place in the window.

    A loop over the places, whose body XLA compiles once instead of once per place.
    """
    height, width = (length - size + 1 for length in plane.shape[-2:])

    def place(corner: Int[Array, 2]) -> Float[Array, "*batch _h _w"]:
        start = *[jnp.int32(0)] * (plane.ndim - 2), *corner
        moved = lax.dynamic_slice(plane, start, (*plane.shape[:-2], height, width))
        return moved[..., ::step, ::step]

    return lax.map(place, jnp.asarray(list(np.ndindex(size, size)), jnp.int32))


def second_moments(
    vectors: Float[Array, "n *batch h w"], extent: Extent | None = None
) -> Float[Array, "*batch n n"]:
    """The mean outer product of the vectors with themselves."""
    flat = _columns(extents.filled(vectors, extent))
    total = jnp.matmul(flat, jnp.matrix_transpose(flat), precision=_HIGHEST)
    return total / extents.count(vectors, extent)


def _columns(vectors: Float[Array, "n *batch h w"]) -> Float[Array, "*batch n h*w"]:
    vectors = jnp.moveaxis(vectors, 0, -3)
    return vectors.reshape(*vectors.shape[:-2], -1)


def principal_axes(covariance: Float[Array, "*batch n n"]) -> Float[Array, "*batch n n"]:
    """Eigenvectors, in columns, without gradient."""
    return jnp.linalg.eigh(lax.stop_gradient(covariance))[1]


def turned(
    vectors: Float[Array, "n *batch h w"], axes: Float[Array, "*batch n n"]
) -> Float[Array, "n *batch h w"]:
    """The vectors' components along axes."""
    components = jnp.matmul(jnp.matrix_transpose(axes), _columns(vectors), precision=_HIGHEST)
    shape = (*components.shape[:-1], *vectors.shape[-2:])
    return jnp.moveaxis(components.reshape(shape), -3, 0)


def spectrum(
    moments: Float[Array, "*batch n n"],
) -> tuple[Float[Array, "*batch n"], Float[Array, "*batch n n"]]:
    """Eigenvalues and inverses of second moments along the principal axes.

    Neighbouring pixels are nearly dependent: eigenvalues differ by factors of a million, and the
    small ones are lost in the rounding of the covariance of the pixels. Moments of vectors that
    were turned first are each exact to the precision of their type. Off the diagonal they are
    nearly zero, so the first order suffices, also for the derivatives. Eigenvalues are floored at
    what the precision resolves. A zero matrix, which a band without any signal has, gets a zero
    inverse.
    """
    values = jnp.diagonal(moments, axis1=-2, axis2=-1)
    number = values.shape[-1]
    floor = number * jnp.finfo(values.dtype).eps * values.max(-1, keepdims=True)
    floored = jnp.maximum(values, floor)
    reciprocal = finite.divide(jnp.ones_like(floored), floored, 0.0)
    outer = reciprocal[..., :, None] * reciprocal[..., None, :]
    own = jnp.eye(number, dtype=values.dtype) * reciprocal[..., None]
    # 1 / a on the diagonal and -b / (a c) off it.
    return floored, jnp.where(jnp.eye(number, dtype=bool), own, -moments * outer)


def multipliers(
    vectors: Float[Array, "n *batch h w"], inverse: Float[Array, "*batch n n"]
) -> Float[Array, "*batch h w"]:
    """v^T C^-1 v / N of each vector v."""
    flat = _columns(vectors)
    solved = jnp.matmul(inverse, flat, precision=_HIGHEST)
    size = vectors.shape[0]
    squares = reductions.add(solved[..., row, :] * flat[..., row, :] for row in range(size))
    return (squares / size).reshape(vectors.shape[1:])


_HIGHEST = jax.lax.Precision.HIGHEST
