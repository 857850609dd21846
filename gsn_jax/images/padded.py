"""Images inside larger arrays: what lies beyond an image's true size has no influence.

XLA compiles a function for one shape, so images of many sizes are put into the top left corner of
few array sizes. Every function here takes `sizes`, the true heights and widths `(N, 2)`, or None
where the arrays are filled by their images.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

Sizes = jax.Array | None


def halved(sizes: Sizes) -> Sizes:
    """The sizes after a halving that drops no pixel."""
    return None if sizes is None else (sizes + 1) // 2


def clear(x: jax.Array, sizes: Sizes) -> jax.Array:
    """Zeros beyond each image of `(N, H, W, C)`, which is what a convolution sees at a border."""
    if sizes is None:
        return x
    return jnp.where(_inside(x, sizes), x, 0)


def repeat_edge(x: jax.Array, sizes: Sizes) -> jax.Array:
    """The row and the column after each image repeat its last ones, as for an odd size."""
    if sizes is None:
        return x
    rows, columns = _positions(x)
    below = jnp.pad(x, ((0, 0), (1, 0), (0, 0), (0, 0)))[:, :-1]
    x = jnp.where(rows == sizes[:, 0, None, None, None], below, x)
    right = jnp.pad(x, ((0, 0), (0, 0), (1, 0), (0, 0)))[:, :, :-1]
    return jnp.where(columns == sizes[:, 1, None, None, None], right, x)


def _inside(x: jax.Array, sizes: jax.Array) -> jax.Array:
    rows, columns = _positions(x)
    return (rows < sizes[:, 0, None, None, None]) & (columns < sizes[:, 1, None, None, None])


def _positions(x: jax.Array) -> tuple[jax.Array, jax.Array]:
    rows = jnp.arange(x.shape[1], dtype=jnp.int32)[None, :, None, None]
    columns = jnp.arange(x.shape[2], dtype=jnp.int32)[None, None, :, None]
    return rows, columns
