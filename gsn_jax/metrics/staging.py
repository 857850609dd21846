"""Stores an intermediate result, so that XLA does not recompute it for every use."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


@jax.custom_jvp
def staged(values: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Returns the values unchanged, computed once and stored.

    XLA's CPU backend fuses chains of filters into one loop that recomputes each intermediate value
    for every tap; code size, compile time and run time then grow with the product of the taps. The
    backend drops `optimization_barrier` before it fuses, but it does not fuse across a conditional.
    The barriers here keep the conditional alive until then: they hide that the first branch is
    never taken and that both branches are the same. Once they are dropped, both branches return
    their argument, so the conditional costs no loop of its own.
    """

    def on_cpu(x: jax.Array) -> jax.Array:
        never = jax.lax.optimization_barrier(jnp.zeros((), bool))
        return jax.lax.cond(never, jax.lax.optimization_barrier, lambda same: same, x)

    return jax.lax.platform_dependent(values, cpu=on_cpu, default=lambda same: same)


@staged.defjvp
def _staged_jvp(primals: tuple, tangents: tuple) -> tuple[jax.Array, jax.Array]:
    return staged(primals[0]), tangents[0]
