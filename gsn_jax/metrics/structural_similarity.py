"""Structural similarity, at one scale and at five.

Z. Wang, A. C. Bovik, H. R. Sheikh, E. P. Simoncelli, "Image quality assessment: from error
visibility to structural similarity", IEEE TIP 13(4), 2004; Z. Wang, E. P. Simoncelli, A. C. Bovik,
"Multi-scale structural similarity for image quality assessment", Asilomar 2003. Definitions
follow the authors' `ssim_index.m`, `ssim.m` and `msssim.m`.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from gsn_jax.metric import FunctionMetric
from gsn_jax.metrics import colour, filters
from gsn_jax.metrics.preparation import pair

WINDOW = 11
SIGMA = 1.5
C1 = (0.01 * 255) ** 2
C2 = (0.03 * 255) ** 2
MS_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
MS_MIN_SIZE = 161  # the fifth scale must hold one window: ceil(161 / 16) = 11


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
    x, y = _planes("ssim", WINDOW, reference, distorted, rounded)
    if downsample:
        factor = filters.viewing_factor(*x.shape[-2:])
        x, y = (filters.box_downsample(plane, factor, "symmetric") for plane in (x, y))
    luminance, contrast = similarity_terms(x, y)
    return (luminance * contrast).mean((-2, -1))


def ssim_map(reference: jax.Array, distorted: jax.Array) -> jax.Array:
    """The map `(..., H - 10, W - 10)` whose mean is `ssim`."""
    luminance, contrast = similarity_terms(*_planes("ssim", WINDOW, reference, distorted, True))
    return luminance * contrast


def ms_ssim(reference: jax.Array, distorted: jax.Array, *, rounded: bool = True) -> jax.Array:
    """Multi-scale structural similarity of the luma: five dyadic scales, product form.

    A mean contrast-structure term below zero counts as zero with zero gradient: a fractional
    power of a negative number is not defined (the authors' code returns a complex number).

    Args:
        reference: `(..., H, W, 3)` in [0, 1], at least 161 x 161.
        distorted: as `reference`.
        rounded: whether luma is rounded to 8 bits, as `rgb2gray` does.

    Returns:
        `(...)` in [0, 1], higher is better; 1 for equal images. Symmetric.
    """
    x, y = _planes("ms_ssim", MS_MIN_SIZE, reference, distorted, rounded)
    score = 1.0
    for scale, weight in enumerate(MS_WEIGHTS):
        if scale:
            x, y = (filters.box_downsample(plane, 2, "symmetric") for plane in (x, y))
        luminance, term = similarity_terms(x, y)
        if scale == len(MS_WEIGHTS) - 1:
            term = luminance * term
        score = score * positive_power(term.mean((-2, -1)), weight)
    return score


def positive_power(base: jax.Array, exponent: float) -> jax.Array:
    """max(base, 0) ** exponent with a finite gradient everywhere."""
    positive = base > 0
    return jnp.where(positive, jnp.where(positive, base, 1) ** exponent, 0)


def similarity_terms(x: jax.Array, y: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The luminance term and the contrast-structure term of SSIM.

    Args:
        x: a plane `(..., H, W)` in [0, 255].
        y: as `x`.

    Returns:
        Two maps `(..., H - 10, W - 10)`.
    """
    # Variances ignore an offset; centred values lose fewer bits in float32.
    x, y = x - 127.5, y - 127.5
    taps = filters.gaussian_taps(WINDOW, SIGMA)
    moments = jnp.stack([x, y, x * x + y * y, x * y])
    mean_x, mean_y, power, product = filters.correlate_separable(moments, taps, taps)
    variances = power - (mean_x * mean_x + mean_y * mean_y)
    covariance = product - mean_x * mean_y
    mean_x, mean_y = mean_x + 127.5, mean_y + 127.5
    luminance = (2 * mean_x * mean_y + C1) / (mean_x * mean_x + mean_y * mean_y + C1)
    return luminance, (2 * covariance + C2) / (variances + C2)


def _planes(
    name: str, min_size: int, reference: jax.Array, distorted: jax.Array, rounded: bool
) -> tuple[jax.Array, jax.Array]:
    first, second = pair(name, min_size, reference, distorted)
    return colour.luma(first, rounded=rounded), colour.luma(second, rounded=rounded)


METRICS = {
    "ssim": FunctionMetric("ssim", ssim, True, (-1.0, 1.0), ssim_map, min_size=WINDOW),
    "ms_ssim": FunctionMetric("ms_ssim", ms_ssim, True, (0.0, 1.0), min_size=MS_MIN_SIZE),
}
