"""The exact median of a plane, without sorting."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from gsn_jax.metrics import reductions
from gsn_jax.metrics.staging import staged


def median(
    plane: Float[Array, "*batch h w"], count: int | jax.Array | None = None
) -> Float[Array, "*batch"]:
    """The median over the last two axes of values >= 0; the gradient goes to the middle values.

    Bisects the bit patterns, which sort like the numbers as long as no sign bit is set. That takes
    one counting pass per bit, and is many times faster than sorting on a CPU.

    Args:
        plane: the values.
        count: number of values; all others must be infinite. It may be traced.
    """
    if count is None:
        count = plane.shape[-2] * plane.shape[-1]
    # Stored, because XLA may compute the plane anew for every use, rounded differently.
    plane = staged(plane)
    values = lax.stop_gradient(plane)
    lower = _smallest(values, (count - 1) // 2)
    upper = _next(values, lower, count // 2)
    return (_with_gradient(lower, plane) + _with_gradient(upper, plane)) / 2


def _smallest(values: jax.Array, rank: int | jax.Array) -> jax.Array:
    """The element `(..., 1, 1)` of the given rank, counted from 0."""
    bits_type = jnp.int64 if values.dtype == jnp.float64 else jnp.int32
    bits = lax.bitcast_convert_type(values, bits_type)

    def step(index: int, prefix: jax.Array) -> jax.Array:
        bit = jnp.left_shift(bits_type(1), jnp.asarray(width - 2 - index, bits_type))
        candidate = prefix | bit
        below = reductions.total((bits < candidate).astype(jnp.float32))[..., None, None]
        return jnp.where(below <= rank, candidate, prefix)

    width = jnp.iinfo(bits_type).bits
    start = jnp.zeros((*values.shape[:-2], 1, 1), bits_type)
    return lax.bitcast_convert_type(lax.fori_loop(0, width - 1, step, start), values.dtype)


def _next(values: jax.Array, lower: jax.Array, rank: int | jax.Array) -> jax.Array:
    """The element of the given rank, where `lower` is that element or the one before it."""
    not_above = reductions.total((values <= lower).astype(jnp.float32))[..., None, None]
    above = jnp.where(values > lower, values, jnp.inf).min((-2, -1), keepdims=True)
    return jnp.where(not_above > rank, lower, above)


def _with_gradient(value: jax.Array, plane: jax.Array) -> jax.Array:
    """The value `(..., 1, 1)` as `(...)`; its gradient goes to all elements equal to it."""
    chosen = plane == value
    number = reductions.total(chosen.astype(plane.dtype))
    change = jnp.where(chosen, plane - lax.stop_gradient(plane), 0)
    return value[..., 0, 0] + reductions.total(change) / jnp.maximum(number, 1)
