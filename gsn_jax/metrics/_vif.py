"""Visual information fidelity, the wavelet-domain original.

H. R. Sheikh, A. C. Bovik, "Image information and visual quality", IEEE TIP 15(2), 2006; authors'
`vifvec.m`: vector Gaussian scale mixtures on two orientations of four pyramid levels.
"""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float

from gsn_jax.images.size_classes import Extent
from gsn_jax.metric import FunctionMetric
from gsn_jax.metrics import canvas, colour, extents, filters, neighbourhoods, reductions, steerable
from gsn_jax.metrics.distortion_channel import (
    distortion_channel,
    information_change,
    moments,
    variances,
)
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
    spectra = neighbourhoods.spectrum(covariances)
    fields, inside = [], []
    for level, (bands, extent, *spectrum) in enumerate(zip(levels, blocks, *spectra, strict=True)):
        window = 2 ** (LEVELS - level) + 1
        border = -(-(window // 2) // BLOCK)
        means = _means(bands, window, extent)
        field = jnp.concatenate([means, _signals(bands[:, 0], *spectrum)])
        fields.append(field[..., border:-border, border:-border])
        size = extent or Extent(*means.shape[-2:])
        inside.append(Extent(size.height - 2 * border, size.width - 2 * border))
    # One program for all levels compiles faster than one per level.
    information = staged(_information(staged(canvas.place(fields, 0))))
    sizes = [(field.shape[-2], field.shape[-1]) for field in fields]
    change, total = canvas.inner_totals(information, sizes, inside).sum(-1)
    return 1 + change / (FLOOR + total)


def _whole_blocks(bands: Float[Array, "2 2 h w"]) -> Float[Array, "2 2 _h _w"]:
    height, width = (size // BLOCK * BLOCK for size in bands.shape[-2:])
    return bands[..., :height, :width]


def _means(
    bands: Float[Array, "2 2 h w"], window: int, extent: Extent | None
) -> Float[Array, "5 2 h3 w3"]:
    """First and second moments of the reference and of the change, around each block's centre.

    Args:
        bands: both orientations of the reference and of the change.
        window: side of the windows.
        extent: number of whole blocks in the image, down and across.
    """
    before = window // 2 - BLOCK // 2  # rows and columns of a window outside its block
    counts = [size // BLOCK for size in bands.shape[-2:]]
    inside = extents.multiplied(extent, BLOCK)
    return filters.correlate_mirrored(
        moments(bands[:, 0], bands[:, 1]), filters.box_taps(window), before, counts, BLOCK, inside
    )


def _signals(
    planes: Float[Array, "2 h w"], eigenvalues: Float[Array, "2 n"], inverses: Float[Array, "2 n n"]
) -> Float[Array, "n 2 h3 w3"]:
    """The reference's variance along each eigenvector of the blocks' covariance, per block."""
    blocks = neighbourhoods.windows(planes, BLOCK, BLOCK)
    return eigenvalues.T[:, :, None, None] * neighbourhoods.multipliers(blocks, inverses)


def _information(fields: Float[Array, "m 2 h w"]) -> Float[Array, "2 h w"]:
    """Change of the information in each block, and the reference's information, in nats.

    Args:
        fields: the five `_means`, followed by the `_signals`.
    """
    gain_change, error = distortion_channel(*variances(fields[:5]), TOLERANCE)
    signals = fields[5:]
    change = information_change(gain_change, error, signals, NOISE).sum((0, 1))
    return jnp.stack([change, jnp.log1p(signals / NOISE).sum((0, 1))])


def _covariance(planes: Float[Array, "2 h w"], extent: Extent | None) -> Float[Array, "2 n n"]:
    vectors = neighbourhoods.windows(planes, BLOCK, 1)
    places = extents.inside(extents.multiplied(extent, BLOCK), BLOCK - 1)
    return neighbourhoods.second_moments(reductions.centred(vectors, places), places)


METRICS = {
    "vif": FunctionMetric("vif", vif, True, (0.0, float("inf")), min_size=MIN_SIZE, padded=True)
}
