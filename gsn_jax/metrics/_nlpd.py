"""Normalized Laplacian pyramid distance.

V. Laparra, J. Ballé, A. Berardino, E. P. Simoncelli, "Perceptual image quality assessment using a
normalized Laplacian pyramid", Human Vision and Electronic Imaging 2016; authors' `NLP_dist.m`.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gsn_jax.images.size_classes import Extent
from gsn_jax.metric import FunctionMetric
from gsn_jax.metrics import colour, extents, filters, finite, reductions
from gsn_jax.metrics.preparation import pairwise
from gsn_jax.metrics.similarity import magnitude_change

TAPS = (0.05, 0.25, 0.4, 0.25, 0.05)
SIGMAS = (0.0248, 0.0185, 0.0179, 0.0191, 0.0220, 0.2782)
# Weights of the neighbours' magnitudes by (row, column) offset: the authors' kernels rotated by
# 180 degrees, because they convolve.
NEIGHBOURS = (
    {(1, 0): 0.1011, (0, 1): 0.1493, (0, -1): 0.1460, (0, -2): 0.0072, (-1, 0): 0.1015},
    {(1, 0): 0.0757, (0, 1): 0.1986, (0, -1): 0.1846, (-1, 0): 0.0837},
    {(1, 0): 0.0477, (0, 1): 0.2138, (0, -1): 0.2243, (-1, 0): 0.0467},
    {(0, 1): 0.2503, (0, -1): 0.2616},
    {(0, 1): 0.2598, (0, -1): 0.2552},
    {(0, 1): 0.2215, (0, -1): 0.0717},
)
MIN_SIZE = 17  # the fifth decimation still has two samples to mirror


@pairwise("nlpd", MIN_SIZE)
def nlpd(
    reference: Float[Array, "*batch h w 3"],
    distorted: Float[Array, "*batch h w 3"],
    *,
    extent: Extent | None = None,
    rounded: bool = True,
) -> Float[Array, "*batch"]:
    """Mean over six bands of the root mean square error of the normalized pyramids.

    Args:
        reference: sRGB in [0, 1], at least 17 x 17.
        distorted: as `reference`.
        extent: height and width of padded images, see `gsn_jax.metrics`.
        rounded: whether luma is rounded to 8 bits, as `rgb2gray` does.

    Returns:
        A distance from 0 (equal images). Symmetric.
    """
    planes = colour.luma_and_change(reference, distorted, rounded=rounded) / 255
    errors = []
    for level, band in enumerate(_bands(planes, extent)):
        change = _normalized_change(band[0], band[1], level, extent)
        errors.append(finite.sqrt(reductions.mean(change**2, extent)))
        extent = extents.decimated(extent)
    return reductions.add(errors) / len(SIGMAS)


def _bands(plane: Float[Array, "2 h w"], extent: Extent | None) -> list[Float[Array, "2 _h _w"]]:
    """The Laplacian pyramid, finest band first; the last one is the low-pass residual."""
    bands = []
    for _ in SIGMAS[:-1]:
        low = _decimate(plane, extent)
        extent = extents.decimated(extent)
        bands.append(plane - _interpolate(low, plane.shape, extent))
        plane = low
    return [*bands, plane]


def _normalized_change(
    band: Float[Array, "h w"], change: Float[Array, "h w"], level: int, extent: Extent | None
) -> Float[Array, "h w"]:
    """Change of the normalized band, computed from the change of the band."""
    amplitude = SIGMAS[level] + _pooled(jnp.abs(band), NEIGHBOURS[level], extent)
    growth = _pooled(magnitude_change(band, change), NEIGHBOURS[level], extent)
    return (change * amplitude - band * growth) / (amplitude * (amplitude + growth))


def _decimate(plane: Float[Array, "2 h w"], extent: Extent | None) -> Float[Array, "2 h2 w2"]:
    counts = [-(-size // 2) for size in plane.shape[-2:]]
    return filters.correlate_mirrored(plane, TAPS, 2, counts, 2, extent, first=True, last=True)


def _interpolate(
    plane: Float[Array, "2 h2 w2"], shape: tuple[int, ...], extent: Extent | None
) -> Float[Array, "2 h w"]:
    """Zero insertion and the 5-tap filter in polyphase form; border samples are repeated."""
    sizes = plane.shape[-2:]
    weights = [
        _interpolating_taps(count, true) for count, true in zip(sizes, extent or sizes, strict=True)
    ]
    return filters.expanded(plane, weights, shape[-2:])


def _interpolating_taps(count: int, true: Array | int) -> Float[Array | np.ndarray, "2 3 {count}"]:
    """Weights for `filters.expanded` of `count` samples, of which the image has `true`."""
    xp: Any = np if isinstance(true, int) else jnp
    taps = [2 * tap for tap in TAPS]
    return filters.expanding_taps(taps, count, lambda places: xp.clip(places // 2, 0, true - 1))


def _pooled(
    magnitude: Float[Array, "h w"],
    neighbours: dict[tuple[int, int], float],
    extent: Extent | None,
) -> Float[Array, "h w"]:
    """Weighted sum of each sample's neighbours."""
    height, width = magnitude.shape[-2:]
    padded = filters.pad(magnitude, 2, 2, "constant", extent)
    return reductions.add(
        weight * padded[..., 2 + row : 2 + row + height, 2 + column : 2 + column + width]
        for (row, column), weight in neighbours.items()
    )


METRICS = {
    "nlpd": FunctionMetric("nlpd", nlpd, False, (0.0, float("inf")), min_size=MIN_SIZE, padded=True)
}
