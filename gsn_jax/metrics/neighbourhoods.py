"""The Gaussian scale mixture model of small neighbourhoods that VIF and IW-SSIM share."""

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
    """All `size` x `size` windows at multiples of `step`, one plane per position in the window.

    Loops over the positions, so that XLA compiles the body only once.
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


@jax.custom_jvp
def spectrum(
    covariance: Float[Array, "*batch n n"],
) -> tuple[Float[Array, "*batch n"], Float[Array, "*batch n n"]]:
    """Eigenvalues and inverses of covariance matrices.

    Neighbouring pixels are nearly dependent, so eigenvalues are floored at what the precision
    resolves. The zero matrix of a band without any signal gets a zero inverse. The gradient is that
    of the eigenvalues and of the inverse, which stays finite where that of the eigenvectors does
    not.
    """
    values, vectors = jnp.linalg.eigh(covariance)
    number = values.shape[-1]
    floor = number * jnp.finfo(values.dtype).eps * jnp.maximum(values[..., -1:], 0)
    floored = jnp.maximum(values, floor)
    scaled = vectors * finite.divide(jnp.ones_like(floored), floored, 0.0)[..., None, :]
    return floored, jnp.matmul(scaled, jnp.matrix_transpose(vectors), precision=_HIGHEST)


@spectrum.defjvp
def _spectrum_jvp(primals: tuple, tangents: tuple) -> tuple[tuple, tuple]:
    (covariance,), (change,) = primals, tangents
    values, inverse = spectrum(covariance)
    _, vectors = jnp.linalg.eigh(covariance)
    turned = jnp.einsum("...ji,...jk,...ki->...i", vectors, change, vectors, precision=_HIGHEST)
    inverse_change = -jnp.matmul(
        jnp.matmul(inverse, change, precision=_HIGHEST), inverse, precision=_HIGHEST
    )
    return (values, inverse), (turned, inverse_change)


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
