"""Cube and fifth roots, as accurate as the power function of XLA's CPU backend, and faster."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

_ONE = 0x3F800000  # the bits of 1 in float32
_STEPS = 3  # reduce the initial error of 5 % to 2e-7


@functools.partial(jax.custom_jvp, nondiff_argnums=(1,))
def root(values: Float[Array, "*shape"], degree: int) -> Float[Array, "*shape"]:
    """The cube or fifth root (`degree` 3 or 5) of positive normal numbers.

    float32 uses Newton's method. The first estimate comes from dividing the bit pattern, which
    approximates the logarithm, by the degree.
    """
    if values.dtype != jnp.float32:
        return values ** (1 / degree)
    bits = lax.bitcast_convert_type(values, jnp.int32)
    start = lax.div(bits, jnp.int32(degree)) + jnp.int32(_ONE - _ONE // degree)
    estimate = lax.bitcast_convert_type(start, jnp.float32)
    for _ in range(_STEPS):
        square = estimate * estimate
        power = square if degree == 3 else square * square
        estimate = estimate + (values / power - estimate) * (1 / degree)
    return estimate


@root.defjvp
def _root_jvp(degree: int, primals: tuple, tangents: tuple) -> tuple[jax.Array, jax.Array]:
    (values,), (change,) = primals, tangents
    result = root(values, degree)
    return result, change * (result / (degree * values))
