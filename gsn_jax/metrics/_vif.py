"""Visual information fidelity, the wavelet-domain original.

H. R. Sheikh, A. C. Bovik, "Image information and visual quality", IEEE TIP 15(2), 2006; authors'
`vifvec.m`: vector Gaussian scale mixtures on two orientations of four pyramid levels.
"""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float

from gsn_jax.images.size_classes import Extent
from gsn_jax.metric import FunctionMetric
from gsn_jax.metrics import colour, extents, filters, neighbourhoods, reductions, steerable
from gsn_jax.metrics.distortion_channel import distortion_channel, information_change
from gsn_jax.metrics.preparation import pairwise
from gsn_jax.metrics.staging import staged

BLOCK = 3
LEVELS = 4
NOISE = 0.4  # variance of the visual noise
TOLERANCE = 1e-12
FLOOR = 0.01  # nats added to numerator and denominator; only matters for a flat reference
MIN_SIZE = 72  # leaves whole blocks inside the border of the coarsest level


@pairwise("vif", MIN_SIZE)
def vif(
    reference: Float[Array, "*batch h w 3"],
    distorted: Float[Array, "*batch h w 3"],
    *,
    extent: Extent | None = None,
    rounded: bool = True,
) -> Float[Array, "*batch"]:
    """Share of the reference's information that the distorted luma keeps.

    Args:
        reference: sRGB in [0, 1], at least 72 x 72.
        distorted: as `reference`.
        extent: height and width of padded images, see `gsn_jax.metrics`.
        rounded: whether luma is rounded to 8 bits, as `rgb2gray` does.

    Returns:
        A quality of at least 0; 1 for equal images, above 1 for enhanced contrast. A flat reference
        has no information and scores 1. Not symmetric.
    """
    planes = colour.luma_and_change(reference, distorted, rounded=rounded)
    planes = planes - reductions.middle(planes, extent)  # the bands ignore an offset
    levels = [_whole_blocks(bands) for bands in steerable.oriented_bands(planes, LEVELS, extent)]
    blocks = [extents.whole_blocks(extents.decimated(extent, 2**k), BLOCK) for k in range(LEVELS)]
    # One call for all small matrices, because the call costs more than its arithmetic.
    covariances = jnp.stack(
        [_covariance(bands[:, 0], inside) for bands, inside in zip(levels, blocks, strict=True)]
    )
    changes, totals = [], []
    for level, spectra in enumerate(zip(*neighbourhoods.spectrum(covariances), strict=True)):
        window = 2 ** (LEVELS - level) + 1
        change, total = _information(levels[level], blocks[level], window, *spectra)
        changes.append(change)
        totals.append(total)
    return 1 + reductions.add(changes) / (FLOOR + reductions.add(totals))


def _whole_blocks(bands: Float[Array, "2 2 h w"]) -> Float[Array, "2 2 _h _w"]:
    height, width = (size // BLOCK * BLOCK for size in bands.shape[-2:])
    return bands[..., :height, :width]


def _information(
    bands: Float[Array, "2 2 h w"],
    extent: Extent | None,
    window: int,
    eigenvalues: Float[Array, "2 n"],
    inverses: Float[Array, "2 n n"],
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Change of the information at one level, and the reference's information, in nats.

    Args:
        bands: both orientations of the reference and of the change.
        extent: number of whole blocks in the image, down and across.
        window: side of the windows whose statistics describe a block.
        eigenvalues: of the covariance of both orientations' blocks.
        inverses: of these covariances.
    """
    border = -(-(window // 2) // BLOCK)
    inside = (..., slice(border, -border), slice(border, -border))
    gain_change, error = (field[inside] for field in _channel(bands, window, extent))
    blocks = neighbourhoods.windows(bands[:, 0], BLOCK, BLOCK)
    scale = neighbourhoods.multipliers(blocks, inverses)[inside]
    signal = eigenvalues.T[:, :, None, None] * scale
    change = information_change(gain_change, error, signal, NOISE).sum((0, 1))
    within = extents.inside(extent, 2 * border)
    information = jnp.log1p(signal / NOISE).sum((0, 1))
    return reductions.total(change, within), reductions.total(information, within)


def _channel(
    bands: Float[Array, "2 2 h w"], window: int, extent: Extent | None
) -> tuple[Float[Array, "2 h3 w3"], Float[Array, "2 h3 w3"]]:
    """Gain minus one and error variance per block, from a window around the block's centre."""
    half = window // 2
    x, change = bands[:, 0], bands[:, 1]
    moments = jnp.stack([x, change, x * x, change * change, x * change])
    moments = filters.pad(moments, half, half, "reflect", extents.multiplied(extent, BLOCK))
    taps = filters.box_taps(window)
    rows = filters.correlate_axis(moments, taps, -2)[..., BLOCK // 2 :: BLOCK, :]
    means = filters.correlate_axis(staged(rows), taps, -1)[..., BLOCK // 2 :: BLOCK]
    mean, mean_change, square, change_square, product = staged(means)
    variance = jnp.maximum(square - mean * mean, 0)
    change_variance = jnp.maximum(change_square - mean_change * mean_change, 0)
    return distortion_channel(variance, change_variance, product - mean * mean_change, TOLERANCE)


def _covariance(planes: Float[Array, "2 h w"], extent: Extent | None) -> Float[Array, "2 n n"]:
    vectors = neighbourhoods.windows(planes, BLOCK, 1)
    places = extents.inside(extents.multiplied(extent, BLOCK), BLOCK - 1)
    return neighbourhoods.second_moments(reductions.centred(vectors, places), places)


METRICS = {
    "vif": FunctionMetric("vif", vif, True, (0.0, float("inf")), min_size=MIN_SIZE, padded=True)
}
