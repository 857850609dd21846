"""Visual information fidelity in the pixel domain.

H. R. Sheikh, A. C. Bovik, "Image information and visual quality", IEEE TIP 15(2), 2006; authors'
`vifp_mscale.m`, their multi-scale approximation without wavelets. `vif` is the original.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from gsn_jax.images.size_classes import Extent
from gsn_jax.metric import FunctionMetric
from gsn_jax.metrics import colour, extents, filters, finite, reductions
from gsn_jax.metrics.distortion_channel import distortion_channel, information_change
from gsn_jax.metrics.preparation import pairwise

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
            planes = filters.correlate_separable(planes, taps, taps)[..., ::2, ::2]
            extent = extents.decimated(extents.inside(extent, size - 1))
        windows = extents.inside(extent, size - 1)
        change, total = _information(planes[0], planes[1], taps, windows)
        changes.append(change)
        totals.append(total)
    return 1 + finite.divide(reductions.add(changes), reductions.add(totals), 0.0)


def _information(
    x: Float[Array, "h w"],
    change: Float[Array, "h w"],
    taps: tuple[float, ...],
    windows: Extent | None,
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Change of the information at one scale, and the reference's information, in nats."""
    mean = filters.correlate_separable(x, taps, taps)
    variance, change_variance, covariance = (
        _window_covariance(*pair, taps) for pair in ((x, x), (change, change), (x, change))
    )
    # The variance that rounding leaves in a flat window is not information.
    tolerance = jnp.maximum((8 * jnp.finfo(x.dtype).eps * mean) ** 2, TOLERANCE)
    variance = jnp.where(variance < tolerance, 0, variance)
    gain_change, error = distortion_channel(variance, change_variance, covariance, tolerance)
    kept = information_change(gain_change, error, variance, NOISE)
    information = jnp.log1p(variance / NOISE)
    return reductions.total(kept, windows), reductions.total(information, windows)


def _window_covariance(
    x: Float[Array, "h w"], y: Float[Array, "h w"], taps: tuple[float, ...]
) -> Float[Array, "_h _w"]:
    """Covariance under the window `outer(taps, taps)`.

    By the law of total covariance: the mean covariance of the window's columns plus the covariance
    of their means. Unlike a difference of raw moments, no term cancels, whatever the means are.
    """
    x_means, y_means = (filters.correlate_axis(plane, taps, -2) for plane in (x, y))
    within = _axis_covariance(x, y, x_means, y_means, taps, -2)
    x_mean, y_mean = (filters.correlate_axis(means, taps, -1) for means in (x_means, y_means))
    between = _axis_covariance(x_means, y_means, x_mean, y_mean, taps, -1)
    return filters.correlate_axis(within, taps, -1) + between


def _axis_covariance(
    x: jax.Array,
    y: jax.Array,
    x_mean: jax.Array,
    y_mean: jax.Array,
    taps: tuple[float, ...],
    axis: int,
) -> jax.Array:
    """Covariance along one axis under windows with these means."""
    size = x_mean.shape[axis]

    def term(shift: int) -> jax.Array:
        x_part, y_part = (
            lax.slice_in_dim(plane, shift, shift + size, axis=axis) for plane in (x, y)
        )
        return (x_part - x_mean) * (y_part - y_mean) * taps[shift]

    return reductions.add(term(shift) for shift in range(len(taps)))


METRICS = {
    "vifp": FunctionMetric("vifp", vifp, True, (0.0, float("inf")), min_size=MIN_SIZE, padded=True)
}
