"""Stores an intermediate result, so that XLA does not compute it again for every use."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


@jax.custom_jvp
def staged(values: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Returns the values unchanged, computed once and stored.

    XLA's CPU backend fuses chains of filters into one loop that computes each intermediate value
    anew for every tap; the size of the code, its compile time and its running time then grow with
    the product of the taps. The backend drops `optimization_barrier` before it fuses, but it does
    not fuse across a conditional. The second branch here is never taken, because no image value,
    moment or coefficient is that large.
    """

    def on_cpu(x: jax.Array) -> jax.Array:
        taken = x.reshape(-1)[0] > 0.9 * jnp.finfo(x.dtype).max
        return jax.lax.cond(taken, jnp.negative, lambda same: same, x)

    return jax.lax.platform_dependent(values, cpu=on_cpu, default=lambda same: same)


@staged.defjvp
def _staged_jvp(primals: tuple, tangents: tuple) -> tuple[jax.Array, jax.Array]:
    return staged(primals[0]), tangents[0]
