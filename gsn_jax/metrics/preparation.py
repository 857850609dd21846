"""What every pure metric function does first: static checks and a common precision."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from gsn_jax.errors import InputError


def promote(image: jax.Array) -> jax.Array:
    """Half precision becomes float32; float32 and float64 stay as they are.

    Variances are differences of large numbers, which 8 bits of mantissa do not hold. A result is
    therefore never in half precision, and as exact as the input's own rounding allows.
    """
    return jnp.asarray(image).astype(jnp.promote_types(image.dtype, jnp.float32))


def pair(
    name: str, min_size: int, reference: jax.Array, distorted: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Both images in one precision of at least float32.

    Args:
        name: of the metric, for the message.
        min_size: smallest height and width for which the metric is defined.
        reference: `(..., H, W, 3)`.
        distorted: `(..., H, W, 3)`.

    Raises:
        InputError: the shapes differ, are not `(..., H, W, 3)`, or are too small.
    """
    first, second = promote(reference), promote(distorted)
    if first.shape != second.shape or first.ndim < 3 or first.shape[-1] != 3:
        raise InputError(
            f"{name}: needs two arrays (..., H, W, 3) of equal shape, "
            f"got {first.shape} and {second.shape}"
        )
    height, width = first.shape[-3:-1]
    if min(height, width) < min_size:
        raise InputError(
            f"{name}: {width} x {height} is too small; at least {min_size} x {min_size} is needed"
        )
    dtype = jnp.promote_types(first.dtype, second.dtype)
    return first.astype(dtype), second.astype(dtype)
