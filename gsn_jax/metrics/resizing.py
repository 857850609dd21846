"""MATLAB's `imresize`, bilinear or bicubic: antialiased when shrinking, mirrored at the borders."""

from __future__ import annotations

import functools
from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from gsn_jax.images.size_classes import Extent
from gsn_jax.metrics import reductions


def resize_bilinear(
    image: Float[Array, "*batch h w"],
    height: int,
    width: int,
    extent: Extent | None = None,
    target: Extent | None = None,
) -> Float[Array, "*batch {height} {width}"]:
    """Resizes planes to `height` x `width`.

    Rows are weighted sums of slices, columns a matrix product: each is faster on its axis.

    Args:
        image: the planes.
        height: of the resulting arrays.
        width: of the resulting arrays.
        extent: height and width of the image, if it does not fill the planes.
        target: height and width of the resized image, if it does not fill the resulting arrays.
    """
    if extent is not None or target is not None:
        sizes = [image.shape[-2:], (height, width), extent or image.shape[-2:]]
        rows, columns = (
            matrix(jnp.arange(to, dtype=jnp.int32), size, true, new, image.dtype)
            for size, to, true, new in zip(*sizes, target or (height, width), strict=True)
        )
        return applied(rows, image, columns)
    samples, weights = bilinear_taps(image.shape[-2], height)
    rows = reductions.add(
        image[..., sample, :] * jnp.asarray(weight[:, None], image.dtype)
        for sample, weight in zip(samples, weights, strict=True)
    )
    columns = jnp.asarray(bilinear_matrix(image.shape[-1], width), image.dtype)
    return reductions.product(rows, columns)


def linear(distance: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """The kernel of linear interpolation."""
    return jnp.maximum(1 - distance, 0)


def cubic(distance: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """The kernel of cubic convolution with a = -1/2 (R. G. Keys, IEEE TASSP 29(6), 1981)."""
    x = jnp.minimum(distance, 2)
    inner, outer = (1.5 * x - 2.5) * x * x + 1, ((2.5 - 0.5 * x) * x - 4) * x + 2
    return jnp.where(x <= 1, inner, outer)


def applied(
    rows: Float[Array, "H h"], planes: Float[Array, "*batch h w"], columns: Float[Array, "W w"]
) -> Float[Array, "*batch H W"]:
    """Planes with one matrix applied along their height and one along their width."""
    return reductions.product(reductions.product(rows, planes), columns.T)


def matrix(
    samples: Int[Array, " n"],
    size: int,
    true: Int[Array, ""] | int,
    target: Int[Array, ""] | int,
    dtype: jnp.dtype,
    *,
    source: Int[Array, ""] | int | None = None,
    kernel: Callable[[Array], Array] = linear,
) -> Float[Array, "n size"]:
    """Weights of the input samples for the given output samples, along one axis.

    Distances are quotients of integers, so sizes may be traced and float32 is precise enough.

    Args:
        samples: indices of the output samples.
        size: number of input samples in the array.
        true: number of input samples of the image.
        target: number of output samples that `source` input samples become.
        dtype: of the weights.
        source: see `target`; `true` by default.
        kernel: maps distances, in samples of the coarser grid, to weights.
    """
    source = true if source is None else source
    inputs = jnp.arange(size, dtype=jnp.int32)
    centres = (2 * samples[:, None] + 1) * source
    source_, target_ = (jnp.asarray(number, dtype) for number in (source, target))
    stretch = jnp.minimum(target_ / source_, 1)  # a wider kernel when shrinking

    def weights(places: Int[Array, " size"]) -> Float[Array, "n size"]:
        distance = (centres - (2 * places + 1) * target).astype(dtype) / (2 * target_)
        return kernel(stretch * jnp.abs(distance))

    # Each sample together with its mirror images beyond both ends.
    both = reductions.add(weights(p) for p in (inputs, -1 - inputs, 2 * true - 1 - inputs))
    used = jnp.where(inputs < true, both, 0)
    # Inside the image, a sample's weights sum to at least one; outside, they only must be finite.
    return used / jnp.maximum(used.sum(1, keepdims=True), 0.5)


@functools.lru_cache(maxsize=32)
def bilinear_taps(size: int, target: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices and weights `(taps, target)` of the input samples for each output sample."""
    scale = target / size
    stretch = min(scale, 1)  # a wider kernel when shrinking
    centres = (np.arange(target) + 0.5) / scale - 0.5
    taps = int(np.ceil(2 / stretch)) + 2
    samples = np.floor(centres - 1 / stretch)[None].astype(int) + np.arange(taps)[:, None]
    weights = np.maximum(1 - np.abs(stretch * (centres - samples)), 0)
    used = weights.any(axis=1)
    mirrored = np.concatenate([np.arange(size), np.arange(size)[::-1]])
    samples = mirrored[np.mod(samples, 2 * size)]
    return samples[used], (weights / weights.sum(axis=0))[used]


@functools.lru_cache(maxsize=32)
def bilinear_matrix(size: int, target: int) -> np.ndarray:
    """The matrix `(size, target)` that resamples a row."""
    matrix = np.zeros((size, target))
    for sample, weight in zip(*bilinear_taps(size, target), strict=True):
        np.add.at(matrix, (sample, np.arange(target)), weight)
    return matrix
