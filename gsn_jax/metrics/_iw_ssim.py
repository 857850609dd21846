"""Information content weighted structural similarity.

Z. Wang, Q. Li, "Information content weighting for perceptual image quality assessment", IEEE TIP
20(5), 2011; authors' `iwssim.m` with the Laplacian pyramid of matlabPyrTools.
"""

from __future__ import annotations

import functools
import math

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from gsn_jax.metric import FunctionMetric
from gsn_jax.metrics import colour, filters, finite, neighbourhoods, reductions, resizing
from gsn_jax.metrics._ssim import MS_MIN_SIZE, MS_WEIGHTS, WINDOW, structural_terms
from gsn_jax.metrics.distortion_channel import distortion_channel
from gsn_jax.metrics.preparation import pairwise
from gsn_jax.metrics.staging import staged

NOISE = 0.4  # variance of the visual noise
TOLERANCE = 1e-6  # of a variance, on the scale of 8 bits
# As in matlabPyrTools, the taps sum to the square root of two, so that each level is twice as
# strong as the one before; SSIM's constants and the noise stay the same.
BINOMIAL = tuple(2**0.5 * tap / 16 for tap in (1, 4, 6, 4, 1))


@pairwise("iw_ssim", MS_MIN_SIZE)
def iw_ssim(
    reference: Float[Array, "*batch h w 3"],
    distorted: Float[Array, "*batch h w 3"],
    *,
    rounded: bool = True,
) -> Float[Array, "*batch"]:
    """SSIM of five Laplacian bands, each pooled with its local information content.

    A mean below zero counts as zero, as in `ms_ssim`.

    Args:
        reference: sRGB in [0, 1], at least 161 x 161.
        distorted: as `reference`.
        rounded: whether luma is rounded to 8 bits, as `rgb2gray` does.

    Returns:
        A quality in [0, 1]; 1 for equal images. Not symmetric.
    """
    planes = colour.luma_and_change(reference, distorted, rounded=rounded)
    offsets = reductions.middle(planes)
    bands = _pyramid(planes - offsets, len(MS_WEIGHTS))
    score, total = jnp.ones((), planes.dtype), sum(MS_WEIGHTS)
    for scale, (band, weight) in enumerate(zip(bands, MS_WEIGHTS, strict=True)):
        if scale == len(bands) - 1:  # the low-pass residual, which alone holds the offsets
            mean = structural_terms(band, offsets * 2**scale).mean()
        else:
            contrast = structural_terms(band, jnp.zeros_like(offsets)).contrast
            parent = bands[scale + 1][0] if scale < len(bands) - 2 else None
            mean = 1 - _weighted_mean(contrast, _information(band, parent))
        score = score * finite.power(mean, weight / total)
    return score


def _weighted_mean(
    values: Float[Array, "h-10 w-10"], information: Float[Array, "h-2 w-2"]
) -> Float[Array, ""]:
    border = WINDOW // 2 - 1
    weights = information[border:-border, border:-border]
    # Without any information, in a flat reference, all places count the same.
    informed = reductions.total(weights) > 0
    return jnp.where(informed, reductions.weighted_mean(values, weights), reductions.mean(values))


def _pyramid(planes: Float[Array, "2 h w"], levels: int) -> list[Float[Array, "2 _h _w"]]:
    """The Laplacian pyramid, finest band first; the last one is the low-pass residual."""
    bands = []
    for _ in range(levels - 1):
        low = filters.correlate_separable(filters.pad(planes, 2, 2, "reflect"), BINOMIAL, BINOMIAL)
        low = staged(low[..., ::2, ::2])
        bands.append(staged(planes - _expand(low, planes.shape[-2:])))
        planes = low
    return [*bands, planes]


def _expand(low: Float[Array, "2 h2 w2"], shape: tuple[int, ...]) -> Float[Array, "2 h w"]:
    """Zero insertion, then the binomial filter with mirrored samples."""
    for axis, size in zip((low.ndim - 2, low.ndim - 1), shape, strict=True):
        low = jnp.moveaxis(low, axis, -1)
        spread = jnp.stack([low, jnp.zeros_like(low)], -1)
        spread = spread.reshape(*low.shape[:-1], -1)[..., :size]
        widths = [(0, 0)] * (spread.ndim - 1) + [(2, 2)]
        padded = jnp.pad(spread, widths, mode="reflect")
        low = jnp.moveaxis(filters.correlate_axis(padded, BINOMIAL, -1), -1, axis)
    return low


def _information(
    band: Float[Array, "2 h w"], parent: Float[Array, "h2 w2"] | None
) -> Float[Array, "h-2 w-2"]:
    """Mutual information in bits of both images with the scene.

    Args:
        band: a Laplacian band of the reference and its change.
        parent: the reference's next coarser band, where it takes part.
    """
    gain_change, error = (field[1:-1, 1:-1] for field in _channel(band))
    gain = 1 + gain_change
    vectors = neighbourhoods.windows(band[0], 3, 1)
    if parent is not None:
        enlarged = _enlarged(parent)[: band.shape[-2], : band.shape[-1]]
        vectors = jnp.concatenate([vectors, enlarged[None, 1:-1, 1:-1]])
    covariance = neighbourhoods.second_moments(vectors)
    eigenvalues, inverse = neighbourhoods.spectrum(covariance)
    signal = neighbourhoods.multipliers(vectors, inverse) * eigenvalues[:, None, None]
    ratio = ((error + (1 + gain * gain) * NOISE) * signal + NOISE * error) / NOISE**2
    return reductions.add(jnp.log1p(jnp.maximum(plane, 0)) for plane in ratio) / math.log(2)


def _channel(
    band: Float[Array, "2 h w"],
) -> tuple[Float[Array, "h w"], Float[Array, "h w"]]:
    """Gain minus one and error variance of the distortion, from 3 x 3 windows."""
    x, change = band
    moments = jnp.stack([x, change, x * x, change * change, x * change])
    box = filters.box_taps(3)
    mean, mean_change, square, change_square, product = filters.correlate_separable(
        filters.pad(moments, 1, 1, "constant"), box, box
    )
    variance = jnp.maximum(square - mean * mean, 0)
    change_variance = jnp.maximum(change_square - mean_change * mean_change, 0)
    return distortion_channel(variance, change_variance, product - mean * mean_change, TOLERANCE)


def _enlarged(plane: Float[Array, "h w"]) -> Float[Array, "2*h 2*w"]:
    rows, columns = (jnp.asarray(_enlarging(size), plane.dtype) for size in plane.shape)
    precision = lax.Precision.HIGHEST
    return jnp.matmul(jnp.matmul(rows, plane, precision=precision), columns.T, precision=precision)


@functools.lru_cache(maxsize=32)
def _enlarging(size: int) -> np.ndarray:
    """The authors' `imenlarge2` along one axis, as a matrix `(2 size, size)`.

    It interpolates bilinearly to 4 size - 3 samples, extrapolates one at each end, and keeps every
    other one.
    """
    dense = resizing.bilinear_matrix(size, 4 * size - 3).T
    first, last = 2 * dense[0] - dense[1], 2 * dense[-1] - dense[-2]
    return np.vstack([first, dense, last])[::2]


METRICS = {
    "iw_ssim": FunctionMetric("iw_ssim", iw_ssim, True, (0.0, 1.0), min_size=MS_MIN_SIZE),
}
