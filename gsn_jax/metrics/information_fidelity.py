"""VMAF's information fidelity features: VIF in the pixel domain, one value per scale.

H. R. Sheikh, A. C. Bovik, "Image information and visual quality", IEEE TIP 15(2), 2006, with the
windows, borders and limits of libvmaf's `float_vif`. `vifp` is the authors' own version.
"""

from __future__ import annotations

import math

import jax.numpy as jnp
from jaxtyping import Array, Float

from gsn_jax.images.size_classes import Extent
from gsn_jax.metrics import canvas, extents, filters, reductions
from gsn_jax.metrics.distortion_channel import (
    distortion_channel,
    information_change,
    moments,
    variances,
)
from gsn_jax.metrics.staging import staged

SCALES = 4
NOISE = 2.0  # variance of the visual noise
TOLERANCE = 1e-10
# Bits lost per unit of the distorted variance, where the reference's variance is below the noise.
FLAT_LOSS = (NOISE / 255) ** 2


def information_kept(
    planes: Float[Array, "2 h w"], extent: Extent | None, gain_limit: float
) -> Float[Array, " 4"]:
    """The share of the reference's information that the distorted image keeps at each scale.

    Args:
        planes: 8-bit luma of the reference, up to an offset, and the change, distorted minus
            reference.
        extent: height and width of padded images.
        gain_limit: largest gain of contrast that counts; 1 ignores enhanced contrast.

    Returns:
        For equal images 1, or slightly less because of flat windows. Above 1 for enhanced contrast
        if `gain_limit` allows it.
    """
    planes = planes.at[0].add(-reductions.middle(planes[0], extent))
    levels, inside = [], []
    for scale in range(SCALES):
        radius = 2 ** (3 - scale)
        padded = filters.pad(moments(*planes), radius, radius, "constant")
        size = extent or Extent(*planes.shape[-2:])
        levels.append(_smoothed(padded, radius, size))
        inside.append(size)
        if radius > 1:
            inner = (..., *[slice(radius // 2, -(radius // 2))] * 2)
            planes = _smoothed(padded[:2][inner], radius // 2, size, 2)
            extent = extents.whole_blocks(extent, 2)
    # One program for the statistics of all scales compiles faster than one per scale.
    information = staged(_information(staged(canvas.place(levels, 0)), gain_limit))
    sizes = [(level.shape[-2], level.shape[-1]) for level in levels]
    change, whole = canvas.inner_totals(information, sizes, inside)
    return 1 + change / whole


def _smoothed(
    padded: Float[Array, "*batch h w"], radius: int, extent: Extent, stride: int = 1
) -> Float[Array, "*batch _h _w"]:
    """Means under a Gaussian window; rows and columns beyond a multiple of `stride` are dropped.

    Args:
        padded: planes with `radius` extra samples on each side, whose values do not matter.
        radius: of the window.
        extent: height and width of the image, which is mirrored at its borders.
        stride: step between windows.
    """
    taps = filters.gaussian_taps(2 * radius + 1, (2 * radius + 1) / 5)
    planes = padded
    for axis in (-2, -1):
        count = (padded.shape[axis] - 2 * radius) // stride
        weights = filters.mirrored_taps(taps, radius, extent[axis], count, stride, last=False)
        planes = staged(filters.correlate_varying(planes, weights, axis, stride))
    return planes


def _information(means: Float[Array, "5 h w"], gain_limit: float) -> Float[Array, "2 h w"]:
    """Change of the information in each window, and the reference's information, in nats."""
    variance, change_variance, covariance = variances(means)
    gain_change, error = distortion_channel(variance, change_variance, covariance, TOLERANCE)
    gain_change = jnp.minimum(gain_change, gain_limit - 1)
    change = information_change(gain_change, error, variance, NOISE)
    # A window with less variance than the noise counts as one bit.
    distorted_variance = jnp.maximum(variance + 2 * covariance + change_variance, 0)
    lost = -FLAT_LOSS * math.log(2) * distorted_variance
    information = jnp.maximum(jnp.log1p(variance / NOISE), math.log(2))
    return jnp.stack([jnp.where(variance < NOISE, lost, change), information])
