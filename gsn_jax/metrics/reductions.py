"""Sums over planes that are fast on a CPU and in full precision on accelerators.

Functions with an `extent` leave out the padding of a plane; see `extents`.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gsn_jax.images.size_classes import Extent
from gsn_jax.metrics import extents, finite


def total(
    plane: Float[Array, "*batch h w"], extent: Extent | None = None
) -> Float[Array, "*batch"]:
    """The sum over the last two axes.

    Computed as a product with ones, because XLA's CPU backend fuses a reduction with whatever
    computes its input, and then computes that input one scalar at a time. The precision is explicit
    because accelerators would otherwise multiply with fewer bits.
    """
    if extent is None:
        ones = jnp.ones(plane.shape[-1], plane.dtype)
        return product(plane, ones).sum(-1)
    rows, columns = (
        (jnp.arange(size, dtype=jnp.int32) < true).astype(plane.dtype)
        for size, true in zip(plane.shape[-2:], extent, strict=True)
    )
    return (product(plane, columns) * rows).sum(-1)


def add(planes: Iterable[Float[Array, "*shape"]]) -> Float[Array, "*shape"]:
    """The sum of arrays, added one by one.

    XLA's CPU backend reduces along a leading axis one scalar at a time, with everything fused into
    the reduction; adding whole planes is about ten times faster.
    """
    return functools.reduce(jnp.add, planes)


def mean(plane: Float[Array, "*batch h w"], extent: Extent | None = None) -> Float[Array, "*batch"]:
    """The mean over the last two axes."""
    return total(plane, extent) / extents.count(plane, extent)


def centred(
    plane: Float[Array, "*batch h w"], extent: Extent | None = None
) -> Float[Array, "*batch h w"]:
    """The plane minus its mean over the last two axes."""
    return plane - mean(plane, extent)[..., None, None]


def without_offset(
    plane: Float[Array, "*batch h w"], extent: Extent | None = None
) -> Float[Array, "*batch h w"]:
    """The plane centred on zero, for filters that ignore an offset; exactly zero for a flat plane.

    Subtracts the middle first, and then the mean of the rest: the mean alone is inexact for a flat
    plane, and the middle alone leaves an offset where few pixels differ from the others.
    """
    return centred(plane - middle(plane, extent), extent)


def product(first: Float[Array, "*batch n m"], second: Array) -> Float[Array, "*batch n k"]:
    """The matrix product in full precision on every device."""
    return jnp.matmul(first, second, precision=jax.lax.Precision.HIGHEST)


def weighted_mean(
    values: Float[Array, "*batch h w"],
    weights: Float[Array, "*batch h w"],
    extent: Extent | None = None,
) -> Float[Array, "*batch"]:
    """The weighted mean over the last two axes; zero where all weights are zero."""
    return finite.divide(total(values * weights, extent), total(weights, extent), 0.0)


def middle(
    plane: Float[Array, "*batch h w"], extent: Extent | None = None
) -> Float[Array, "*batch 1 1"]:
    """The middle of the plane's range, without gradient.

    Subtracting it before squaring or filtering leaves float32 more bits for the variation, and
    makes a flat plane exactly zero.
    """
    low, high = extremes(jax.lax.stop_gradient(plane), extent)
    return (low + high) / 2


def extremes(
    plane: Float[Array, "*batch h w"], extent: Extent | None = None
) -> tuple[Float[Array, "*batch 1 1"], Float[Array, "*batch 1 1"]]:
    """The smallest and the largest value over the last two axes."""
    low, high = (extents.filled(plane, extent, bound) for bound in (jnp.inf, -jnp.inf))
    return low.min((-2, -1), keepdims=True), high.max((-2, -1), keepdims=True)
