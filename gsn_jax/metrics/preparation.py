"""What every pure metric function shares: static checks, a common precision, and batches."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from gsn_jax.errors import InputError

PairFunction = Callable[..., jax.Array]


def promote(image: jax.Array) -> jax.Array:
    """Half precision becomes float32; float32 and float64 stay as they are.

    Variances are differences of large numbers, which 8 bits of mantissa do not hold. A result is
    therefore never in half precision, and as exact as the input's own rounding allows.
    """
    image = jnp.asarray(image)
    return image.astype(jnp.promote_types(image.dtype, jnp.float32))


def pairwise(name: str, min_size: int) -> Callable[[PairFunction], PairFunction]:
    """Makes a function of one pair `(H, W, 3)` work on pairs `(..., H, W, 3)`.

    On a CPU the pairs of a batch are computed one after the other: each then stays in the cache,
    which is several times faster than one pass per operation over the whole batch, needs the
    memory of one pair only, and gives the very value of a single pair. Elsewhere the batch is
    computed at once.

    Args:
        name: of the metric, for error messages.
        min_size: smallest height and width for which the metric is defined.

    Returns:
        A decorator. The decorated function raises `InputError` if the shapes differ, are not
        `(..., H, W, 3)`, or are too small; it computes in at least float32.
    """

    def decorate(function: PairFunction) -> PairFunction:
        @functools.wraps(function)
        def batched(reference: jax.Array, distorted: jax.Array, **options: Any) -> jax.Array:
            first, second = checked_pair(name, min_size, reference, distorted)
            single = functools.partial(function, **options)
            leading = first.shape[:-3]
            if all(size == 1 for size in leading):
                result = single(first.reshape(first.shape[-3:]), second.reshape(first.shape[-3:]))
                return result.reshape(leading + result.shape)
            flat = (image.reshape((-1, *image.shape[-3:])) for image in (first, second))
            result = _each(single, *flat)
            return result.reshape(leading + result.shape[1:])

        return batched

    return decorate


def _each(single: PairFunction, first: jax.Array, second: jax.Array) -> jax.Array:
    return jax.lax.platform_dependent(
        first,
        second,
        cpu=lambda x, y: jax.lax.map(lambda pair: single(*pair), (x, y)),
        default=jax.vmap(single),
    )


def checked_pair(
    name: str, min_size: int, reference: jax.Array, distorted: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Both images in one precision of at least float32; raises `InputError` as `pairwise` says."""
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
