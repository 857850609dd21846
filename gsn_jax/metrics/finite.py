"""Roots and powers whose gradient is finite where the mathematical one is not.

`jnp.where` alone does not help: the gradient of the branch not taken is still computed, and
0 * inf = NaN. The argument is therefore replaced inside as well.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp


def sqrt(values: jax.Array) -> jax.Array:
    """The root of max(values, 0), with zero gradient at and below zero."""
    positive = values > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, values, 1)), 0)


def power(values: jax.Array, exponent: float) -> jax.Array:
    """max(values, 0) ** exponent, with zero gradient at and below zero."""
    positive = values > 0
    return jnp.where(positive, jnp.where(positive, values, 1) ** exponent, 0)


def divide(numerator: jax.Array, denominator: jax.Array, otherwise: float) -> jax.Array:
    """numerator / denominator, or `otherwise` where the denominator is zero."""
    defined = denominator != 0
    return jnp.where(defined, numerator / jnp.where(defined, denominator, 1), otherwise)
