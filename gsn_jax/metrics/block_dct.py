"""The discrete cosine transform of blocks of 8 x 8 samples."""

from __future__ import annotations

import functools

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

SIZE = 8


def blocks(planes: Float[Array, "*batch h w"]) -> Float[Array, "*batch h8 w8 8 8"]:
    """The non-overlapping blocks; samples beyond the last whole block are left out."""
    rows, columns = (size // SIZE for size in planes.shape[-2:])
    whole = planes[..., : rows * SIZE, : columns * SIZE]
    split = whole.reshape(*planes.shape[:-2], rows, SIZE, columns, SIZE)
    return jnp.swapaxes(split, -3, -2)


def transform(samples: Float[Array, "*batch 8 8"]) -> Float[Array, "*batch 8 8"]:
    """The orthonormal DCT-II of blocks, lowest frequency first."""
    matrix = jnp.asarray(_matrix(), samples.dtype)
    return jnp.einsum(
        "ij,cd,...jd->...ic", matrix, matrix, samples, precision=lax.Precision.HIGHEST
    )


@functools.cache
def _matrix() -> np.ndarray:
    index = np.arange(SIZE)
    matrix = np.cos(np.pi / SIZE * np.outer(index, index + 0.5)) * np.sqrt(2 / SIZE)
    matrix[0] /= np.sqrt(2)
    return matrix
