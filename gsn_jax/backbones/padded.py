"""Images padded to larger arrays: keeps the padding from affecting results.

XLA compiles a program for every shape, so images of many sizes are put into the top left corner of
arrays of a few sizes. Every function here takes `sizes`, the true heights and widths `(N, 2)`, or
None if the images fill their arrays.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

Sizes = jax.Array | None


def halved(sizes: Sizes) -> Sizes:
    """The sizes after halving, rounded up."""
    return at_stride(sizes, 2)


def at_stride(sizes: Sizes, stride: int) -> Sizes:
    """The sizes of features of this stride, a power of two: the images' divided by it, rounded up.

    A shift, because XLA compiles ten operations for the quotient of integers that may be negative.
    """
    return None if sizes is None else (sizes + stride - 1) >> (stride.bit_length() - 1)


def clear(x: jax.Array, sizes: Sizes) -> jax.Array:
    """Sets `(N, H, W, C)` to zero beyond each image, like the zero padding of a convolution."""
    if sizes is None:
        return x
    return jnp.where(_inside(x, sizes), x, 0)


def repeat_edge(x: jax.Array, sizes: Sizes) -> jax.Array:
    """Repeats the last row and column of each image once, as is done where a size is odd."""
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
