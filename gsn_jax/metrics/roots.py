"""Cube and fifth roots, faster than the general power of XLA's CPU backend and as accurate."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

_ONE = 0x3F800000  # the bits of 1 in float32
_STEPS = 3  # leave 2e-7 of an error of 5 %


@functools.partial(jax.custom_jvp, nondiff_argnums=(1,))
def root(values: Float[Array, "*shape"], degree: int) -> Float[Array, "*shape"]:
    """The root of a degree of 3 or 5, of positive normal numbers.

    In float32 by Newton's method. It starts from a division of the number's bits, which are almost
    its logarithm.
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
