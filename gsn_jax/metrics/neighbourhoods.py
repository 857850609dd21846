"""Gaussian scale mixture model of 3 x 3 neighbourhoods, shared by VIF and IW-SSIM."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from gsn_jax.metrics import finite


def windows(plane: jax.Array, size: int, step: int) -> jax.Array:
    """All `size` x `size` windows at multiples of `step`: `(..., H', W')` planes, stacked first."""
    height, width = plane.shape[-2] - size + 1, plane.shape[-1] - size + 1
    return jnp.stack(
        [
            plane[..., row : row + height : step, column : column + width : step]
            for row in range(size)
            for column in range(size)
        ]
    )


def second_moments(vectors: jax.Array) -> jax.Array:
    """Mean outer product `(..., N, N)` of the vectors held by `(N, ..., h, w)`."""
    flat = _columns(vectors)
    return jnp.matmul(flat, jnp.matrix_transpose(flat), precision=_HIGHEST) / flat.shape[-1]


def _columns(vectors: jax.Array) -> jax.Array:
    vectors = jnp.moveaxis(vectors, 0, -3)
    return vectors.reshape(*vectors.shape[:-2], -1)


@jax.custom_jvp
def spectrum(covariance: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Eigenvalues `(..., N)` and inverse `(..., N, N)` of covariance matrices.

    Eigenvalues are floored at what the precision resolves: neighbouring pixels are nearly
    dependent. A zero matrix, of a band without any signal, gets a zero inverse. The derivatives
    are those of the formulas, which stay finite where eigenvectors have none.
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


def multipliers(vectors: jax.Array, inverse: jax.Array) -> jax.Array:
    """v^T C^-1 v / N of each vector: `(N, ..., h, w)` and `(..., N, N)` -> `(..., h, w)`."""
    flat = _columns(vectors)
    solved = jnp.matmul(inverse, flat, precision=_HIGHEST)
    # Row by row: a reduction over an axis would be computed by scalars.
    size = vectors.shape[0]
    squares = sum(solved[..., row, :] * flat[..., row, :] for row in range(size))
    return (squares / size).reshape(vectors.shape[1:])


_HIGHEST = jax.lax.Precision.HIGHEST
