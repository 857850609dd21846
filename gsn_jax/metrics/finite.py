"""Roots, powers and quotients whose gradients stay finite where the mathematical ones do not.

`jnp.where` alone is not enough: JAX also differentiates the branch that is not taken, and
0 * inf is NaN. So the argument of that branch is replaced as well.
"""

from __future__ import annotations

import math

import jax.numpy as jnp
from jaxtyping import Array, Float


def sqrt(values: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """The square root of max(values, 0), with zero gradient at and below zero."""
    positive = values > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, values, 1)), 0)


def power(values: Float[Array, "*shape"], exponent: float) -> Float[Array, "*shape"]:
    """max(values, 0) ** exponent, with zero gradient at and below zero."""
    positive = values > 0
    return jnp.where(positive, jnp.where(positive, values, 1) ** exponent, 0)


def divide(
    numerator: Float[Array, "*shape"],
    denominator: Float[Array, "*shape"],
    otherwise: float | Float[Array, "*shape"],
) -> Float[Array, "*shape"]:
    """numerator / denominator, or `otherwise` where the denominator is zero."""
    defined = denominator != 0
    return jnp.where(defined, numerator / jnp.where(defined, denominator, 1), otherwise)


def real_power(base: Float[Array, "*shape"], exponent: float) -> Float[Array, "*shape"]:
    """The real part of base ** exponent, which is complex for a negative base."""
    magnitude = power(jnp.abs(base), exponent)
    return jnp.where(base < 0, magnitude * math.cos(math.pi * exponent), magnitude)
