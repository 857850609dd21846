"""What all pure metric functions share: shape and type checks, precision, and batching."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gsn_jax.errors import InputError
from gsn_jax.images.arrays import check_no_files
from gsn_jax.images.size_classes import Extent
from gsn_jax.metrics import filters

PairFunction = TypeVar("PairFunction", bound=Callable[..., jax.Array])


def pairwise(
    name: str, min_size: int, *, viewed: bool = False
) -> Callable[[PairFunction], PairFunction]:
    """Makes a function of one pair `(H, W, 3)` work on pairs `(..., H, W, 3)`.

    On a CPU the pairs of a batch are computed one by one. Each pair then stays in the cache, which
    is several times faster than passing over the whole batch for every operation; memory is that of
    one pair; and a pair's score does not depend on its batch. On other devices the whole batch is
    computed at once.

    Args:
        name: of the metric, for error messages.
        min_size: smallest height and width for which the metric is defined.
        viewed: whether the function decimates by `filters.viewed`. The result is then NaN for a
            padded image that `filters.fits_viewed` rejects.

    Returns:
        A decorator. The decorated function raises `InputError` as `checked_pair` does, and
        computes in at least float32. If the function takes an `extent`, so does the decorated one,
        with heights and widths `(...)` of images in the top left corners of the arrays.
    """

    def decorate(function: PairFunction) -> PairFunction:
        @functools.wraps(function)
        def batched(
            reference: jax.Array,
            distorted: jax.Array,
            *others: Any,
            extent: Extent | None = None,
            **options: Any,
        ) -> jax.Array:
            first, second = checked_pair(name, min_size, reference, distorted)
            leading = first.shape[:-3]
            pairs = tuple(image.reshape((-1, *image.shape[-3:])) for image in (first, second))
            sizes = () if extent is None else (Extent(*map(jnp.ravel, extent)),)

            def single(x: jax.Array, y: jax.Array, *size: Extent) -> jax.Array:
                if not size:
                    return function(x, y, *others, **options)
                result = function(x, y, *others, extent=size[0], **options)
                if viewed:
                    fits = filters.fits_viewed(x.shape[:2], size[0])
                    result = jnp.where(fits, result, jnp.nan)
                return result

            if pairs[0].shape[0] == 1:
                result = single(*jax.tree.map(lambda leaf: leaf[0], (*pairs, *sizes)))
                return result.reshape(leading + result.shape)
            result = _each(single, *pairs, *sizes)
            return result.reshape(leading + result.shape[1:])

        return cast(PairFunction, batched)

    return decorate


def checked_pair(
    name: str, min_size: int, reference: jax.Array, distorted: jax.Array
) -> tuple[Float[Array, "*batch h w 3"], Float[Array, "*batch h w 3"]]:
    """Checks two images and converts them to a common type of at least float32.

    Half precision becomes float32, because variances are differences of large numbers, which 8 bits
    of mantissa cannot hold. float32 and float64 stay as they are.

    Args:
        name: of the metric, for error messages.
        min_size: smallest height and width for which the metric is defined.
        reference: sRGB in [0, 1]; the values are not checked.
        distorted: as `reference`.

    Raises:
        InputError: they are no arrays or not floats, are not `(..., H, W, 3)` of equal shape, or
            are too small.
    """
    check_no_files(name, reference, distorted)
    first, second = jnp.asarray(reference), jnp.asarray(distorted)
    for image in (first, second):
        if not jnp.issubdtype(image.dtype, jnp.floating):
            raise InputError(
                f"{name}: needs floats in [0, 1], got {image.dtype}; "
                "divide 8-bit images by 255 and 16-bit images by 65535"
            )
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
    dtype = jnp.float64 if jnp.float64 in (first.dtype, second.dtype) else jnp.float32
    return first.astype(dtype), second.astype(dtype)


def _each(single: Callable[..., jax.Array], *arguments: Any) -> jax.Array:
    """Applies a function of one pair to each pair of a batch."""
    return jax.lax.platform_dependent(
        *arguments,
        cpu=lambda *pairs: jax.lax.map(lambda pair: single(*pair), pairs),
        default=jax.vmap(single),
    )
