"""Information content weighted structural similarity.

Z. Wang, Q. Li, "Information content weighting for perceptual image quality assessment", IEEE TIP
20(5), 2011; authors' `iwssim.m` with the Laplacian pyramid of matlabPyrTools.
"""

from __future__ import annotations

import math

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from gsn_jax.images.size_classes import Extent
from gsn_jax.metric import FunctionMetric
from gsn_jax.metrics import colour, extents, filters, finite, neighbourhoods, reductions, resizing
from gsn_jax.metrics._ssim import MS_MIN_SIZE, MS_WEIGHTS, WINDOW, structural_terms
from gsn_jax.metrics.distortion_channel import distortion_channel, moments, variances
from gsn_jax.metrics.preparation import pairwise
from gsn_jax.metrics.staging import staged

NOISE = 0.4  # variance of the visual noise
TOLERANCE = 1e-6  # variances below this count as zero, on the 8-bit scale
# As in matlabPyrTools, the taps sum to the square root of two, so that each level is twice as
# strong as the one before; SSIM's constants and the noise stay the same.
BINOMIAL = tuple(2**0.5 * tap / 16 for tap in (1, 4, 6, 4, 1))


@pairwise("iw_ssim", MS_MIN_SIZE)
def iw_ssim(
    reference: Float[Array, "*batch h w 3"],
    distorted: Float[Array, "*batch h w 3"],
    *,
    extent: Extent | None = None,
    rounded: bool = True,
) -> Float[Array, "*batch"]:
    """SSIM on a Laplacian pyramid of five levels, weighted by local information content.

    The low-pass residual is not weighted. A mean below zero counts as zero, as in `ms_ssim`.

    Args:
        reference: sRGB in [0, 1], at least 161 x 161.
        distorted: as `reference`.
        extent: height and width of padded images, see `gsn_jax.metrics`.
        rounded: whether luma is rounded to 8 bits, as `rgb2gray` does.

    Returns:
        A quality in [0, 1]; 1 for equal images. Not symmetric.
    """
    planes = colour.luma_and_change(reference, distorted, rounded=rounded)
    offsets = reductions.middle(planes, extent)
    bands = _pyramid(planes - offsets, len(MS_WEIGHTS), extent)
    score, total = jnp.ones((), planes.dtype), sum(MS_WEIGHTS)
    for scale, (band, weight) in enumerate(zip(bands, MS_WEIGHTS, strict=True)):
        windows = extents.inside(extent, WINDOW - 1)
        if scale == len(bands) - 1:  # the low-pass residual, which alone holds the offsets
            mean = structural_terms(band, offsets * 2**scale).mean(windows)
        else:
            contrast = structural_terms(band, jnp.zeros_like(offsets)).contrast
            parent = bands[scale + 1][0] if scale < len(bands) - 2 else None
            mean = 1 - _weighted_mean(contrast, _information(band, parent, extent), windows)
        score = score * finite.power(mean, weight / total)
        extent = extents.decimated(extent)
    return score


def _weighted_mean(
    values: Float[Array, "h-10 w-10"],
    information: Float[Array, "h-2 w-2"],
    extent: Extent | None,
) -> Float[Array, ""]:
    border = WINDOW // 2 - 1
    weights = information[border:-border, border:-border]
    planes = jnp.stack([weights, weights * values, values])
    total, weighted, plain = reductions.total(planes, extent)
    # A flat reference has no information; then all positions count the same.
    return finite.divide(weighted, total, plain / extents.count(values, extent))


def _pyramid(
    planes: Float[Array, "2 h w"], levels: int, extent: Extent | None
) -> list[Float[Array, "2 _h _w"]]:
    """The Laplacian pyramid, finest band first; the last one is the low-pass residual."""
    bands = []
    for _ in range(levels - 1):
        counts = [-(-size // 2) for size in planes.shape[-2:]]
        low = filters.correlate_mirrored(planes, BINOMIAL, 2, counts, 2, extent)
        bands.append(staged(planes - _expand(low, planes.shape[-2:], extent)))
        planes, extent = low, extents.decimated(extent)
    return [*bands, planes]


def _expand(
    low: Float[Array, "2 h2 w2"], shape: tuple[int, ...], extent: Extent | None
) -> Float[Array, "2 h w"]:
    """Zero insertion, then the binomial filter with mirrored samples."""
    weights = [
        _expanding_taps(count, true)
        for count, true in zip(low.shape[-2:], extent or shape[-2:], strict=True)
    ]
    return filters.expanded(low, weights, shape[-2:])


def _expanding_taps(count: int, true: Array | int) -> Float[Array | np.ndarray, "2 3 {count}"]:
    """Weights for `filters.expanded` of `count` samples, which become `true` of the image."""
    return filters.expanding_taps(
        BINOMIAL, count, lambda places: filters.mirrored(abs(places), true, last=False) // 2
    )


def _information(
    band: Float[Array, "2 h w"], parent: Float[Array, "h2 w2"] | None, extent: Extent | None
) -> Float[Array, "h-2 w-2"]:
    """Mutual information between the scene and both images, in bits.

    Args:
        band: a Laplacian band of the reference and its change.
        parent: the reference's next coarser band; None leaves it out of the model.
        extent: where the image is in the band.
    """
    gain_change, error = _channel(band)
    gain = 1 + gain_change
    vectors = neighbourhoods.windows(band[0], 3, 1)
    if parent is not None:
        enlarged = _enlarged(parent, extents.decimated(extent))[: band.shape[-2], : band.shape[-1]]
        vectors = jnp.concatenate([vectors, enlarged[None, 1:-1, 1:-1]])
    covariance = neighbourhoods.second_moments(vectors, extents.inside(extent, 2))
    eigenvalues, inverse = neighbourhoods.spectrum(covariance)
    signal = neighbourhoods.multipliers(vectors, inverse) * eigenvalues[:, None, None]

    def add(total: Float[Array, "h w"], signal: Float[Array, "h w"]) -> tuple[Array, None]:
        ratio = ((error + (1 + gain * gain) * NOISE) * signal + NOISE * error) / NOISE**2
        return total + jnp.log1p(jnp.maximum(ratio, 0)), None

    # A loop, so that XLA compiles the body only once.
    return lax.scan(add, jnp.zeros_like(error), signal)[0] / math.log(2)


def _channel(
    band: Float[Array, "2 h w"],
) -> tuple[Float[Array, "h-2 w-2"], Float[Array, "h-2 w-2"]]:
    """Gain minus one and error variance of the distortion, from 3 x 3 windows."""
    box = filters.box_taps(3)
    means = staged(filters.correlate_separable(moments(*band), box, box))
    return distortion_channel(*variances(means), TOLERANCE)


def _enlarged(plane: Float[Array, "h w"], extent: Extent | None) -> Float[Array, "2*h 2*w"]:
    rows, columns = (
        _enlarging(size, true, plane.dtype)
        for size, true in zip(plane.shape, extent or plane.shape, strict=True)
    )
    return resizing.applied(rows, plane, columns)


def _enlarging(size: int, true: Array | int, dtype: jnp.dtype) -> Float[Array, "size*2 size"]:
    """The authors' `imenlarge2` along one axis, as a matrix `(2 size, size)`.

    It interpolates bilinearly to 4 n - 3 samples, extrapolates one at each end, and keeps every
    other one.

    Args:
        size: number of samples in the array.
        true: n, the number of samples of the image.
        dtype: of the matrix.
    """
    last = 4 * true - 4
    inner = 2 * jnp.arange(2 * size, dtype=jnp.int32) - 1
    ends = jnp.stack([jnp.asarray(i, jnp.int32) for i in (0, 1, last, last - 1)])
    samples = jnp.concatenate([inner, ends])
    dense = resizing.matrix(samples, size, true, 4 * true - 3, dtype)
    ends = dense[2 * size :]
    first, after = 2 * ends[0] - ends[1], 2 * ends[2] - ends[3]
    return dense[: 2 * size].at[0].set(first).at[2 * true - 1].set(after)


METRICS = {
    "iw_ssim": FunctionMetric(
        "iw_ssim", iw_ssim, True, (0.0, 1.0), min_size=MS_MIN_SIZE, padded=True
    ),
}
