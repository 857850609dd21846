"""CIE L*a*b*, with the exact constants of CIE 15:2004."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float

from gsn_jax.metrics.roots import root


def from_ratios(
    x: Float[Array, "*shape"], y: Float[Array, "*shape"], z: Float[Array, "*shape"]
) -> Float[Array, "3 ..."]:
    """L*, a* and b* of tristimulus values relative to the white point."""
    x, y, z = _response(x), _response(y), _response(z)
    return jnp.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def _response(ratio: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    high = ratio > (6 / 29) ** 3
    return jnp.where(high, root(jnp.where(high, ratio, 1), 3), ratio * (29 / 6) ** 2 / 3 + 4 / 29)
