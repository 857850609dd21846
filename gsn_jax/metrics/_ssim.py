"""Structural similarity, at one scale and at five.

Z. Wang, A. C. Bovik, H. R. Sheikh, E. P. Simoncelli, "Image quality assessment: from error
visibility to structural similarity", IEEE TIP 13(4), 2004; Z. Wang, E. P. Simoncelli, A. C. Bovik,
"Multi-scale structural similarity for image quality assessment", Asilomar 2003. Definitions
follow the authors' `ssim_index.m`, `ssim.m` and `msssim.m`.
"""

from __future__ import annotations

import functools
from typing import Literal

import jax
import jax.numpy as jnp

from gsn_jax.metric import FunctionMetric, MapGrid
from gsn_jax.metrics import colour, filters, finite, reductions
from gsn_jax.metrics.preparation import pairwise

WINDOW = 11
SIGMA = 1.5
C1 = (0.01 * 255) ** 2
C2 = (0.03 * 255) ** 2
MS_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
MS_MIN_SIZE = 161  # the fifth scale must hold one window: ceil(161 / 16) = 11


@pairwise("ssim", WINDOW)
def ssim(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    downsample: bool = False,
    rounded: bool = True,
) -> jax.Array:
    """Mean structural similarity of the luma, 11 x 11 Gaussian windows of sigma 1.5.

    Args:
        reference: `(..., H, W, 3)` in [0, 1], at least 11 x 11.
        distorted: as `reference`.
        downsample: average and decimate by max(1, round(min(H, W) / 256)) first, as the authors'
            later `ssim.m` does; False is their `ssim_index.m`.
        rounded: whether luma is rounded to 8 bits, as `rgb2gray` does.

    Returns:
        `(...)` in [-1, 1], higher is better; 1 for equal images. Symmetric.
    """
    planes = colour.luma(jnp.stack([reference, distorted]), rounded=rounded)
    if downsample:
        factor = filters.viewing_factor(*planes.shape[-2:])
        planes = filters.box_downsample(planes, factor, "symmetric")
    luminance, contrast = similarity_terms(planes)
    return reductions.mean(luminance * contrast)


@pairwise("ssim", WINDOW)
def ssim_map(reference: jax.Array, distorted: jax.Array) -> jax.Array:
    """The map `(..., H - 10, W - 10)` whose mean is `ssim`."""
    luminance, contrast = similarity_terms(colour.luma(jnp.stack([reference, distorted])))
    return luminance * contrast


@pairwise("ms_ssim", MS_MIN_SIZE)
def ms_ssim(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    pooling: Literal["product", "sum"] = "product",
    rounded: bool = True,
) -> jax.Array:
    """Multi-scale structural similarity of the luma over five dyadic scales.

    A mean contrast-structure term below zero counts as zero with zero gradient: a fractional
    power of a negative number is not defined (the authors' code returns a complex number).

    Args:
        reference: `(..., H, W, 3)` in [0, 1], at least 161 x 161.
        distorted: as `reference`.
        pooling: "product" of powers, as in the paper, or the weighted "sum" that the authors'
            code offers as `wtd_sum`, which has no such limit.
        rounded: whether luma is rounded to 8 bits, as `rgb2gray` does.

    Returns:
        `(...)` in [0, 1] (a sum may fall below 0), higher is better; 1 for equal images. Symmetric.
    """
    planes = colour.luma(jnp.stack([reference, distorted]), rounded=rounded)
    means = []
    for scale in range(len(MS_WEIGHTS)):
        if scale:
            planes = filters.box_downsample(planes, 2, "symmetric")
        luminance, term = similarity_terms(planes)
        if scale == len(MS_WEIGHTS) - 1:
            term = luminance * term
        means.append(reductions.mean(term))
    if pooling == "sum":
        total = sum(weight * mean for weight, mean in zip(MS_WEIGHTS, means, strict=True))
        return total / sum(MS_WEIGHTS)
    factors = (finite.power(mean, w) for mean, w in zip(means, MS_WEIGHTS, strict=True))
    return functools.reduce(jnp.multiply, factors)


def similarity_terms(planes: jax.Array, offset: float = 127.5) -> tuple[jax.Array, jax.Array]:
    """The luminance term and the contrast-structure term of SSIM.

    Args:
        planes: reference and distorted `(2, ..., H, W)` on the scale of 8 bits.
        offset: about the mean of the planes.

    Returns:
        Two maps `(..., H - 10, W - 10)`.
    """
    # Variances ignore an offset; centred values lose fewer bits in float32.
    x, y = planes - offset
    taps = filters.gaussian_taps(WINDOW, SIGMA)
    moments = jnp.stack([x, y, x * x + y * y, x * y])
    mean_x, mean_y, power, product = filters.correlate_separable(moments, taps, taps)
    variances = power - (mean_x * mean_x + mean_y * mean_y)
    covariance = product - mean_x * mean_y
    mean_x, mean_y = mean_x + offset, mean_y + offset
    luminance = (2 * mean_x * mean_y + C1) / (mean_x * mean_x + mean_y * mean_y + C1)
    return luminance, (2 * covariance + C2) / (variances + C2)


METRICS = {
    "ssim": FunctionMetric(
        "ssim",
        ssim,
        True,
        (-1.0, 1.0),
        ssim_map,
        WINDOW,
        lambda height, width: MapGrid(first=(WINDOW - 1) / 2),
    ),
    "ms_ssim": FunctionMetric("ms_ssim", ms_ssim, True, (0.0, 1.0), min_size=MS_MIN_SIZE),
}
