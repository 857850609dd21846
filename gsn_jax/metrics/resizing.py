"""MATLAB's `imresize(..., "bilinear")`: antialiased when shrinking, mirrored at the borders."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gsn_jax.metrics import reductions


def resize_bilinear(
    image: Float[Array, "*batch h w"], height: int, width: int
) -> Float[Array, "*batch {height} {width}"]:
    """Resizes planes to `height` x `width`.

    Rows are weighted sums of slices and columns a matrix product: the faster way on each axis.
    """
    samples, weights = bilinear_taps(image.shape[-2], height)
    rows = reductions.add(
        image[..., sample, :] * jnp.asarray(weight[:, None], image.dtype)
        for sample, weight in zip(samples, weights, strict=True)
    )
    columns = jnp.asarray(bilinear_matrix(image.shape[-1], width), image.dtype)
    return jnp.matmul(rows, columns, precision=jax.lax.Precision.HIGHEST)


@functools.lru_cache(maxsize=32)
def bilinear_taps(size: int, target: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices and weights `(taps, target)` of the input samples that make each output sample."""
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
    """The matrix `(size, target)` that resamples a row of samples."""
    matrix = np.zeros((size, target))
    for sample, weight in zip(*bilinear_taps(size, target), strict=True):
        np.add.at(matrix, (sample, np.arange(target)), weight)
    return matrix
