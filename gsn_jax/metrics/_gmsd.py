"""Gradient magnitude similarity deviation, at one scale and at four.

W. Xue, L. Zhang, X. Mou, A. C. Bovik, "Gradient magnitude similarity deviation: a highly efficient
perceptual image quality index", IEEE TIP 23(2), 2014 (authors' `GMSD.m`); B. Zhang, P. V. Sander,
A. Bermak, "Gradient magnitude similarity deviation on multiple scales for color image quality
assessment", ICASSP 2017.
"""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float

from gsn_jax.images.size_classes import Extent
from gsn_jax.metric import FunctionMetric
from gsn_jax.metrics import colour, extents, filters, finite, masking, reductions
from gsn_jax.metrics.preparation import pairwise
from gsn_jax.metrics.similarity import PREWITT, deviation, gradient_dissimilarity

T = 170.0
MASKING = 0.5
MS_WEIGHTS = (0.096, 0.596, 0.289, 0.019)
MS_MIN_SIZE = 17


@pairwise("gmsd", 3)
def gmsd(
    reference: Float[Array, "*batch h w 3"],
    distorted: Float[Array, "*batch h w 3"],
    *,
    extent: Extent | None = None,
    rounded: bool = True,
) -> Float[Array, "*batch"]:
    """Standard deviation of the similarity of Prewitt gradient magnitudes, at half resolution.

    Args:
        reference: sRGB in [0, 1], at least 3 x 3.
        distorted: as `reference`.
        extent: height and width of padded images, see `gsn_jax.metrics`.
        rounded: whether luma is rounded to 8 bits, as `rgb2gray` does.

    Returns:
        A distance from 0 (equal images) to below 1. Symmetric.
    """
    local = _dissimilarity(reference, distorted, rounded=rounded, extent=extent)
    return deviation(local, unbiased=True, extent=extents.decimated(extent))


@pairwise("gmsd", 3)
def gmsd_map(
    reference: Float[Array, "*batch h w 3"],
    distorted: Float[Array, "*batch h w 3"],
    *,
    rounded: bool = True,
) -> Float[Array, "*batch h2 w2"]:
    """1 - gradient similarity, `(..., ceil(H / 2), ceil(W / 2))`; 0 where the gradients agree."""
    return _dissimilarity(reference, distorted, rounded=rounded)


@pairwise("ms_gmsd", MS_MIN_SIZE)
def ms_gmsd(
    reference: Float[Array, "*batch h w 3"],
    distorted: Float[Array, "*batch h w 3"],
    *,
    extent: Extent | None = None,
) -> Float[Array, "*batch"]:
    """Multi-scale GMSD with gradient masking: root of the weighted mean square over four scales.

    Unlike in `gmsd`, the finest scale is the full resolution and luma is not rounded.

    Args:
        reference: sRGB in [0, 1], at least 17 x 17.
        distorted: as `reference`.
        extent: height and width of padded images, see `gsn_jax.metrics`.

    Returns:
        A distance from 0 (equal images) to below 1. Symmetric.
    """
    images = jnp.stack([reference, distorted - reference])
    planes = 255 * colour.mix(images, colour.YIQ[0])
    squares = []
    for scale, weight in enumerate(MS_WEIGHTS):
        if scale:
            planes = filters.box_downsample(planes, 2, "constant", extent)
            extent = extents.decimated(extent)
        local = gradient_dissimilarity(planes[0], planes[1], PREWITT, T, MASKING, extent)
        squares.append(weight * deviation(local, unbiased=False, extent=extent) ** 2)
    return finite.sqrt(reductions.add(squares))


def _dissimilarity(
    reference: Float[Array, "h w 3"],
    distorted: Float[Array, "h w 3"],
    *,
    rounded: bool,
    extent: Extent | None = None,
) -> Float[Array, "h2 w2"]:
    planes = colour.luma_and_change(reference, distorted, rounded=rounded)
    plane, change = filters.box_downsample(planes, 2, "constant", extent)
    return gradient_dissimilarity(plane, change, PREWITT, T, extent=extents.decimated(extent))


def _masked(
    reference: Float[Array, "h w 3"],
    distorted: Float[Array, "h w 3"],
    weights: Float[Array, "h2 w2"],
    *,
    rounded: bool = True,
) -> Float[Array, ""]:
    local = _dissimilarity(reference, distorted, rounded=rounded)
    return masking.deviation(local, weights, unbiased=True)


METRICS = {
    "gmsd": FunctionMetric(
        "gmsd",
        gmsd,
        False,
        (0.0, 1.0),
        gmsd_map,
        3,
        filters.halved_grid,
        padded=True,
        masked=_masked,
    ),
    "ms_gmsd": FunctionMetric(
        "ms_gmsd", ms_gmsd, False, (0.0, 1.0), min_size=MS_MIN_SIZE, padded=True
    ),
}
