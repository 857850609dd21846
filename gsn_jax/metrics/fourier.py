"""Discrete Fourier transforms as matrix products, whose size may be traced.

XLA compiles an FFT for one size only. For few frequencies or small planes a product with the
transform's matrix is as fast, and the true size of a padded plane changes nothing but the matrix.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Complex, Float, Int

from gsn_jax.metrics.reductions import product

Matrix = tuple[Float[Array, "n m"], Float[Array, "n m"]]


def matrix(frequencies: Int[Array, " n"], samples: int, size: Any, dtype: jnp.dtype) -> Matrix:
    """Cosines and sines of 2 pi k j / N, for frequencies k and samples j; zero from sample N on.

    The phase k j is reduced modulo N in integers, and then to an eighth of a turn, so the entries
    are exact to the precision of their type.

    Args:
        frequencies: k, from -N to N.
        samples: number of samples in the array, at most 2^14.
        size: N, an int32; it may be traced.
        dtype: of the matrix.
    """
    places = jnp.arange(samples, dtype=jnp.int32)
    size = jnp.asarray(size, jnp.int32)
    turns = 4 * ((frequencies[:, None] * places) % size)
    quarter = (turns + size // 2) // size
    rest = (turns - quarter * size).astype(dtype) / size.astype(dtype)
    cosine, sine = jnp.cos(rest * (jnp.pi / 2)), jnp.sin(rest * (jnp.pi / 2))
    turned = quarter % 2 == 1
    cosine, sine = jnp.where(turned, -sine, cosine), jnp.where(turned, cosine, sine)
    sign = jnp.where(quarter % 4 < 2, 1, -1).astype(dtype) * (places < size).astype(dtype)
    return cosine * sign, sine * sign


def forward(
    planes: Float[Array, "*batch h w"], rows: Matrix, columns: Matrix
) -> Complex[Array, "*batch n m"]:
    """The transform at the frequencies of the matrices of both axes.

    Samples beyond a plane's size have no influence.
    """
    real, imaginary = (product(part, planes) for part in (rows[0], -rows[1]))
    cosine, sine = (part.T for part in columns)
    return lax.complex(
        product(real, cosine) + product(imaginary, sine),
        product(imaginary, cosine) - product(real, sine),
    )


def inverse(
    spectrum: Complex[Array, "*batch n m"], rows: Matrix, columns: Matrix
) -> Complex[Array, "*batch h w"]:
    """The inverse of `forward`, without the division by the number of frequencies."""
    real, imaginary = spectrum.real, spectrum.imag
    cosine, sine = (part.T for part in rows)
    real, imaginary = (
        product(cosine, real) - product(sine, imaginary),
        product(cosine, imaginary) + product(sine, real),
    )
    cosine, sine = columns
    return lax.complex(
        product(real, cosine) - product(imaginary, sine),
        product(imaginary, cosine) + product(real, sine),
    )
