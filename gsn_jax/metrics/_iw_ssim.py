"""Information content weighted structural similarity.

Z. Wang, Q. Li, "Information content weighting for perceptual image quality assessment", IEEE TIP
20(5), 2011; authors' `iwssim.m` with the Laplacian pyramid of matlabPyrTools.
"""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np

from gsn_jax.metric import FunctionMetric
from gsn_jax.metrics import colour, filters, finite, neighbourhoods, reductions, resizing
from gsn_jax.metrics._ssim import MS_MIN_SIZE, MS_WEIGHTS, WINDOW, similarity_terms
from gsn_jax.metrics.preparation import pairwise
from gsn_jax.metrics.staging import staged

NOISE = 0.4  # variance of the visual noise
TOLERANCE = 1e-6  # of a variance on the scale of 8 bits
# As in matlabPyrTools the taps sum to the root of two, so that each coarser level is twice as
# strong: the constants of SSIM and the noise count relative to that.
BINOMIAL = tuple(2**0.5 * tap / 16 for tap in (1, 4, 6, 4, 1))


@pairwise("iw_ssim", MS_MIN_SIZE)
def iw_ssim(reference: jax.Array, distorted: jax.Array, *, rounded: bool = True) -> jax.Array:
    """SSIM of five Laplacian bands, each pooled with its local information content.

    A mean below zero counts as zero, as in `ms_ssim`.

    Args:
        reference: `(..., H, W, 3)` in [0, 1], at least 161 x 161.
        distorted: as `reference`.
        rounded: whether luma is rounded to 8 bits, as `rgb2gray` does.

    Returns:
        `(...)` in [0, 1], higher is better; 1 for equal images. Not symmetric.
    """
    planes = colour.luma(jnp.stack([reference, distorted]), rounded=rounded)
    bands = _pyramid(planes, len(MS_WEIGHTS))
    score, total = 1.0, sum(MS_WEIGHTS)
    for scale, (band, weight) in enumerate(zip(bands, MS_WEIGHTS, strict=True)):
        luminance, local = similarity_terms(band, offset=0.0)
        if scale == len(bands) - 1:
            mean = reductions.mean(luminance * local)
        else:
            parent = bands[scale + 1][0] if scale < len(bands) - 2 else None
            mean = _weighted_mean(local, _information(band, parent))
        score = score * finite.power(mean, weight / total)
    return score


def _weighted_mean(local: jax.Array, information: jax.Array) -> jax.Array:
    border = WINDOW // 2 - 1
    weight = information[border:-border, border:-border]
    ratio = finite.divide(reductions.total(local * weight), reductions.total(weight), -1.0)
    # Without any information, in a flat reference, all places count the same.
    return jnp.where(reductions.total(weight) > 0, ratio, reductions.mean(local))


def _pyramid(planes: jax.Array, levels: int) -> list[jax.Array]:
    bands = []
    for _ in range(levels - 1):
        low = filters.correlate_separable(filters.pad(planes, 2, 2, "reflect"), BINOMIAL, BINOMIAL)
        low = staged(low[..., ::2, ::2])
        bands.append(staged(planes - _expand(low, planes.shape[-2:])))
        planes = low
    return [*bands, planes]


def _expand(low: jax.Array, shape: tuple[int, int]) -> jax.Array:
    """Zero insertion, then the binomial filter with mirrored samples."""
    for axis, size in zip((low.ndim - 2, low.ndim - 1), shape, strict=True):
        low = jnp.moveaxis(low, axis, -1)
        spread = jnp.stack([low, jnp.zeros_like(low)], -1)
        spread = spread.reshape(*low.shape[:-1], -1)[..., :size]
        widths = [(0, 0)] * (spread.ndim - 1) + [(2, 2)]
        padded = jnp.pad(spread, widths, mode="reflect")
        low = jnp.moveaxis(filters.correlate_axis(padded, BINOMIAL, -1), -1, axis)
    return low


def _information(band: jax.Array, parent: jax.Array | None) -> jax.Array:
    """Mutual information in bits of both images with the scene, `(H - 2, W - 2)`."""
    gain, error = (field[1:-1, 1:-1] for field in _channel(band))
    vectors = neighbourhoods.windows(band[0], 3, 1)
    if parent is not None:
        enlarged = _enlarged(parent)[: band.shape[-2], : band.shape[-1]]
        vectors = jnp.concatenate([vectors, enlarged[None, 1:-1, 1:-1]])
    covariance = neighbourhoods.second_moments(vectors)
    eigenvalues, inverse = neighbourhoods.spectrum(covariance)
    signal = neighbourhoods.multipliers(vectors, inverse) * eigenvalues[:, None, None]
    ratio = ((error + (1 + gain * gain) * NOISE) * signal + NOISE * error) / NOISE**2
    # Plane by plane: a reduction over an axis would be computed by scalars.
    return sum(jnp.log1p(jnp.maximum(plane, 0)) for plane in ratio) / np.log(2)


def _channel(band: jax.Array) -> tuple[jax.Array, jax.Array]:
    x, y = band
    padded = filters.pad(jnp.stack([x, y, x * x, y * y, x * y]), 1, 1, "constant")
    box = filters.box_taps(3)
    mean_x, mean_y, xx, yy, xy = filters.correlate_separable(padded, box, box)
    variance_x = jnp.maximum(xx - mean_x * mean_x, 0)
    variance_y = jnp.maximum(yy - mean_y * mean_y, 0)
    covariance = xy - mean_x * mean_y
    flat_x, flat_y = variance_x < TOLERANCE, variance_y < TOLERANCE
    gain = covariance / jnp.where(flat_x, 1, variance_x)
    gain = jnp.where(flat_x | flat_y, 0, gain)
    error = jnp.where(flat_y, 0, variance_y - gain * covariance)
    return gain, error


def _enlarged(plane: jax.Array) -> jax.Array:
    rows, columns = (jnp.asarray(_enlarging(size), plane.dtype) for size in plane.shape)
    precision = jax.lax.Precision.HIGHEST
    return jnp.matmul(jnp.matmul(rows, plane, precision=precision), columns.T, precision=precision)


@functools.lru_cache(maxsize=32)
def _enlarging(size: int) -> np.ndarray:
    """The authors' `imenlarge2` along one axis, as a matrix `(2 size, size)`.

    Bilinear to 4 size - 3 samples, one extrapolated at each end, every other one kept.
    """
    dense = resizing.bilinear_matrix(size, 4 * size - 3).T
    first, last = 2 * dense[0] - dense[1], 2 * dense[-1] - dense[-2]
    return np.vstack([first, dense, last])[::2]


METRICS = {
    "iw_ssim": FunctionMetric("iw_ssim", iw_ssim, True, (0.0, 1.0), min_size=MS_MIN_SIZE),
}
