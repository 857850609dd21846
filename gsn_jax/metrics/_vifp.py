"""Visual information fidelity in the pixel domain.

H. R. Sheikh, A. C. Bovik, "Image information and visual quality", IEEE TIP 15(2), 2006; authors'
`vifp_mscale.m`, their multi-scale approximation without wavelets. `vif` is the original.
"""

from __future__ import annotations

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from gsn_jax.images.size_classes import Extent
from gsn_jax.metric import FunctionMetric
from gsn_jax.metrics import colour, extents, filters, finite, reductions
from gsn_jax.metrics.distortion_channel import distortion_channel, information_change
from gsn_jax.metrics.preparation import pairwise
from gsn_jax.metrics.staging import staged

NOISE = 2.0  # variance of the visual noise
TOLERANCE = 1e-10
MIN_SIZE = 41


@pairwise("vifp", MIN_SIZE)
def vifp(
    reference: Float[Array, "*batch h w 3"],
    distorted: Float[Array, "*batch h w 3"],
    *,
    extent: Extent | None = None,
    rounded: bool = True,
) -> Float[Array, "*batch"]:
    """Share of the reference's information that the distorted luma keeps, over four scales.

    Args:
        reference: sRGB in [0, 1], at least 41 x 41.
        distorted: as `reference`.
        extent: height and width of padded images, see `gsn_jax.metrics`.
        rounded: whether luma is rounded to 8 bits, as `rgb2gray` does.

    Returns:
        A quality of at least 0; 1 for equal images, above 1 for enhanced contrast. A flat reference
        has no information and scores 1. Not symmetric.
    """
    planes = colour.luma_and_change(reference, distorted, rounded=rounded)
    planes = planes - reductions.middle(planes, extent)  # variances ignore an offset
    changes, totals = [], []
    for scale in range(4):
        size = 2 ** (4 - scale) + 1
        taps = filters.gaussian_taps(size, size / 5)
        if scale:
            for axis in (-2, -1):
                planes = staged(filters.correlate_axis(planes, taps, axis, stride=2))
            extent = extents.decimated(extents.inside(extent, size - 1))
        windows = extents.inside(extent, size - 1)
        change, total = _information(planes, taps, windows)
        changes.append(change)
        totals.append(total)
    return 1 + finite.divide(reductions.add(changes), reductions.add(totals), 0.0)


def _information(
    planes: Float[Array, "2 h w"], taps: tuple[float, ...], windows: Extent | None
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Change of the information at one scale, and the reference's information, in nats."""
    (mean, _), (variance, change_variance, covariance) = _moments(planes, taps)
    # The variance that rounding leaves in a flat window is not information.
    tolerance = jnp.maximum((8 * jnp.finfo(mean.dtype).eps * mean) ** 2, TOLERANCE)
    variance = jnp.where(variance < tolerance, 0, variance)
    gain_change, error = distortion_channel(variance, change_variance, covariance, tolerance)
    kept = information_change(gain_change, error, variance, NOISE)
    information = jnp.log1p(variance / NOISE)
    return reductions.total(kept, windows), reductions.total(information, windows)


def _moments(
    planes: Float[Array, "2 h w"], taps: tuple[float, ...]
) -> tuple[Float[Array, "2 _h _w"], Float[Array, "3 _h _w"]]:
    """Means under the window `outer(taps, taps)`; variances and covariance of the two planes.

    By the law of total covariance: the mean covariance of the window's columns plus the covariance
    of their means. Unlike a difference of raw moments, no term cancels, whatever the means are.
    """
    columns = staged(filters.correlate_axis(planes, taps, -2))
    within = _axis_covariances(planes, columns, taps, -2)
    means = staged(filters.correlate_axis(columns, taps, -1))
    between = _axis_covariances(columns, means, taps, -1)
    return means, filters.correlate_axis(within, taps, -1) + between


def _axis_covariances(
    planes: Float[Array, "2 h w"],
    means: Float[Array, "2 _h _w"],
    taps: tuple[float, ...],
    axis: int,
) -> Float[Array, "3 _h _w"]:
    """Variances and covariance along one axis under windows with these means."""
    size = means.shape[axis]
    deviations = [
        lax.slice_in_dim(planes, shift, shift + size, axis=axis) - means
        for shift in range(len(taps))
    ]
    variances = reductions.add(
        tap * part * part for tap, part in zip(taps, deviations, strict=True)
    )
    covariance = reductions.add(
        tap * part[:1] * part[1:] for tap, part in zip(taps, deviations, strict=True)
    )
    return staged(jnp.concatenate([variances, covariance]))


METRICS = {
    "vifp": FunctionMetric("vifp", vifp, True, (0.0, float("inf")), min_size=MIN_SIZE, padded=True)
}
