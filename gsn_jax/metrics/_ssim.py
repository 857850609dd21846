"""Structural similarity, at one scale and at five.

Z. Wang, A. C. Bovik, H. R. Sheikh, E. P. Simoncelli, "Image quality assessment: from error
visibility to structural similarity", IEEE TIP 13(4), 2004; Z. Wang, E. P. Simoncelli, A. C. Bovik,
"Multi-scale structural similarity for image quality assessment", Asilomar 2003. Definitions
follow the authors' `ssim_index.m`, `ssim.m` and `msssim.m`.
"""

from __future__ import annotations

import functools
from typing import Literal, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from gsn_jax.errors import InputError
from gsn_jax.images.size_classes import Extent
from gsn_jax.metric import FunctionMetric, MapGrid
from gsn_jax.metrics import colour, extents, filters, finite, masking, reductions
from gsn_jax.metrics.preparation import pairwise
from gsn_jax.metrics.similarity import dissimilarity

WINDOW = 11
SIGMA = 1.5
C1 = (0.01 * 255) ** 2
C2 = (0.03 * 255) ** 2
MS_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
MS_MIN_SIZE = 161  # the fifth scale must hold one window: ceil(161 / 16) = 11


@pairwise("ssim", WINDOW)
def ssim(
    reference: Float[Array, "*batch h w 3"],
    distorted: Float[Array, "*batch h w 3"],
    *,
    extent: Extent | None = None,
    downsample: bool = False,
    rounded: bool = True,
) -> Float[Array, "*batch"]:
    """Mean structural similarity of the luma, with 11 x 11 Gaussian windows of sigma 1.5.

    Args:
        reference: sRGB in [0, 1], at least 11 x 11.
        distorted: as `reference`.
        extent: height and width of padded images, see `gsn_jax.metrics`.
        downsample: whether to average and decimate by max(1, round(min(H, W) / 256)) first, as
            the authors' later `ssim.m` does; False is their `ssim_index.m`.
        rounded: whether luma is rounded to 8 bits, as `rgb2gray` does.

    Returns:
        A quality in [-1, 1]; 1 for equal images. Symmetric.
    """
    planes = colour.luma_and_change(reference, distorted, rounded=rounded)
    if downsample:
        planes, extent = filters.viewed(planes, "symmetric", extent)
    loss = structural_terms(*_centred(planes)).loss
    return 1 - reductions.mean(loss, extents.inside(extent, WINDOW - 1))


@pairwise("ssim", WINDOW)
def ssim_map(
    reference: Float[Array, "*batch h w 3"],
    distorted: Float[Array, "*batch h w 3"],
    *,
    rounded: bool = True,
) -> Float[Array, "*batch h-10 w-10"]:
    """The map `(..., H - 10, W - 10)` whose mean is `ssim`."""
    planes = colour.luma_and_change(reference, distorted, rounded=rounded)
    return 1 - structural_terms(*_centred(planes)).loss


@pairwise("ms_ssim", MS_MIN_SIZE)
def ms_ssim(
    reference: Float[Array, "*batch h w 3"],
    distorted: Float[Array, "*batch h w 3"],
    *,
    extent: Extent | None = None,
    pooling: Literal["product", "sum"] = "product",
    rounded: bool = True,
) -> Float[Array, "*batch"]:
    """Multi-scale structural similarity of the luma over five dyadic scales.

    A mean contrast-structure term below zero counts as zero, with zero gradient: a fractional
    power of a negative number is not defined (the authors' code returns a complex number).

    Args:
        reference: sRGB in [0, 1], at least 161 x 161.
        distorted: as `reference`.
        extent: height and width of padded images, see `gsn_jax.metrics`.
        pooling: "product" of powers, as in the paper, or the weighted "sum" that the authors'
            code offers as `wtd_sum`, where negative terms count as they are.
        rounded: whether luma is rounded to 8 bits, as `rgb2gray` does.

    Returns:
        A quality in [0, 1] (a sum may fall below 0); 1 for equal images. Symmetric.

    Raises:
        InputError: the images are too small, or there is no such pooling.
    """
    planes = colour.luma_and_change(reference, distorted, rounded=rounded)
    means = []
    for scale in range(len(MS_WEIGHTS)):
        if scale:
            planes = filters.box_downsample(planes, 2, "symmetric", extent)
            extent = extents.decimated(extent)
        terms = structural_terms(*_centred(planes))
        windows = extents.inside(extent, WINDOW - 1)
        last = scale == len(MS_WEIGHTS) - 1
        means.append(terms.mean(windows) if last else 1 - reductions.mean(terms.contrast, windows))
    weighted = list(zip(MS_WEIGHTS, means, strict=True))
    if pooling not in ("product", "sum"):
        raise InputError(f"ms_ssim: pooling must be 'product' or 'sum', not {pooling!r}")
    if pooling == "sum":
        loss = reductions.add(weight * (1 - mean) for weight, mean in weighted)
        return 1 - loss / sum(MS_WEIGHTS)
    return functools.reduce(jnp.multiply, (finite.power(mean, w) for w, mean in weighted))


class StructuralTerms(NamedTuple):
    """Local terms of SSIM; the first two are one minus a similarity, which is accurate around 0.

    Attributes:
        luminance: (m_x - m_y)^2 / (m_x^2 + m_y^2 + C1), with the local means m of both images.
        contrast: var(x - y) / (v_x + v_y + C2), with the local variances v; one minus the
            contrast-structure term.
        luminance_similarity: one minus `luminance`, computed to be accurate around 0 as well.
    """

    luminance: Float[Array, "h w"]
    contrast: Float[Array, "h w"]
    luminance_similarity: Float[Array, "h w"]

    @property
    def loss(self) -> Float[Array, "h w"]:
        """One minus the product of both similarities, exactly zero for equal images."""
        return self.luminance + self.contrast - self.luminance * self.contrast

    def mean(self, extent: Extent | None = None) -> Float[Array, ""]:
        """The mean product of both similarities, accurate around 1 and around 0."""
        loss = reductions.mean(self.loss, extent)
        direct = reductions.mean(self.luminance_similarity * (1 - self.contrast), extent)
        return jnp.where(loss < 0.5, 1 - loss, direct)


def structural_terms(
    planes: Float[Array, "2 h w"], offsets: Float[Array, "2 1 1"]
) -> StructuralTerms:
    """The local terms `(H - 10, W - 10)` of both images.

    Args:
        planes: the reference and its change on the 8-bit scale, minus `offsets`. Variances ignore
            an offset, and centred values lose fewer bits in float32.
        offsets: what was subtracted from both planes.
    """
    x, change = planes
    y = x + change
    taps = filters.gaussian_taps(WINDOW, SIGMA)
    moments = jnp.stack([x, change, x * x + y * y, change * change])
    mean, mean_change, power, change_power = filters.correlate_separable(moments, taps, taps)
    other = mean + mean_change
    variances = jnp.maximum(power - (mean * mean + other * other), 0)
    change_variance = jnp.maximum(change_power - mean_change * mean_change, 0)
    mean, mean_change = mean + offsets[0], mean_change + offsets[1]
    other = mean + mean_change
    return StructuralTerms(
        dissimilarity(mean, mean_change, C1),
        change_variance / (variances + C2),
        (2 * mean * other + C1) / (mean * mean + other * other + C1),
    )


def _centred(planes: Float[Array, "2 h w"]) -> tuple[Float[Array, "2 h w"], Float[Array, "2 1 1"]]:
    """The arguments of `structural_terms` for 8-bit luma and its change."""
    offsets = jnp.array([127.5, 0], planes.dtype)[:, None, None]
    return planes - offsets, offsets


def _valid_grid(height: int, width: int) -> MapGrid:
    """Where the window centres lie in the image."""
    del height, width
    return MapGrid(first=(WINDOW - 1) / 2)


METRICS = {
    "ssim": FunctionMetric(
        "ssim",
        ssim,
        True,
        (-1.0, 1.0),
        ssim_map,
        WINDOW,
        _valid_grid,
        padded=True,
        masked=masking.mean_of(ssim_map, 1.0),
    ),
    "ms_ssim": FunctionMetric(
        "ms_ssim", ms_ssim, True, (0.0, 1.0), min_size=MS_MIN_SIZE, padded=True
    ),
}
