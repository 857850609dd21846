"""Visual information fidelity, the wavelet-domain original.

H. R. Sheikh, A. C. Bovik, "Image information and visual quality", IEEE TIP 15(2), 2006; authors'
`vifvec.m`: vector Gaussian scale mixtures on two orientations of four pyramid levels.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from gsn_jax.metric import FunctionMetric
from gsn_jax.metrics import colour, filters, finite, neighbourhoods, reductions, steerable
from gsn_jax.metrics.pixel_information import distortion_channel
from gsn_jax.metrics.preparation import pairwise

BLOCK = 3
LEVELS = 4
NOISE = 0.4  # variance of the visual noise
TOLERANCE = 1e-12
MIN_SIZE = 72  # the coarsest level then holds whole blocks inside its border


@pairwise("vif", MIN_SIZE)
def vif(reference: jax.Array, distorted: jax.Array, *, rounded: bool = True) -> jax.Array:
    """Information about the reference that the distorted luma keeps.

    Args:
        reference: `(..., H, W, 3)` in [0, 1], at least 72 x 72.
        distorted: as `reference`.
        rounded: whether luma is rounded to 8 bits, as `rgb2gray` does.

    Returns:
        `(...)` from 0, higher is better; 1 for equal images, above 1 for enhanced contrast.
        A flat reference holds no information: the value is then 1. Not symmetric.
    """
    planes = colour.luma(jnp.stack([reference, distorted]), rounded=rounded)
    bands, sizes = [], []
    for level, pair in enumerate(steerable.oriented_bands(planes, LEVELS)):
        bands += [_whole_blocks(band) for band in pair]
        sizes += [2 ** (LEVELS - level) + 1] * 2
    # All small matrices at once: each call costs more than its arithmetic.
    values, inverses = neighbourhoods.spectrum(jnp.stack([_covariance(band[0]) for band in bands]))
    kept = total = 0.0
    for band, window, spread, inverse in zip(bands, sizes, values, inverses, strict=True):
        more_kept, more = _information(band, window, spread, inverse)
        kept, total = kept + more_kept, total + more
    return finite.divide(kept, total, 1.0)


def _whole_blocks(band: jax.Array) -> jax.Array:
    height, width = (size // BLOCK * BLOCK for size in band.shape[-2:])
    return band[..., :height, :width]


def _information(
    band: jax.Array, window: int, eigenvalues: jax.Array, inverse: jax.Array
) -> tuple[jax.Array, jax.Array]:
    border = -(-(window // 2) // BLOCK)
    inside = (slice(border, -border or None),) * 2
    gain, error = (field[inside] for field in _channel(band, window))
    blocks = neighbourhoods.windows(band[0], BLOCK, BLOCK)
    scale = neighbourhoods.multipliers(blocks, inverse)[inside]
    signal = scale * eigenvalues[:, None, None]
    kept = jnp.log1p(gain * gain * signal / (error + NOISE)).sum(0)
    return reductions.total(kept), reductions.total(jnp.log1p(signal / NOISE).sum(0))


def _channel(band: jax.Array, window: int) -> tuple[jax.Array, jax.Array]:
    """Gain and error variance per block, from a window around the block's centre."""
    half = window // 2
    x, y = band
    moments = jnp.stack([x, y, x * x, y * y, x * y])
    padded = filters.pad(moments, half, half, "reflect")
    taps = filters.box_taps(window)
    rows = filters.correlate_axis(padded, taps, -2)[..., BLOCK // 2 :: BLOCK, :]
    means = filters.correlate_axis(rows, taps, -1)[..., BLOCK // 2 :: BLOCK]
    mean_x, mean_y, xx, yy, xy = means
    variance_x = jnp.maximum(xx - mean_x * mean_x, 0)
    variance_y = jnp.maximum(yy - mean_y * mean_y, 0)
    return distortion_channel(variance_x, variance_y, xy - mean_x * mean_y, TOLERANCE)


def _covariance(plane: jax.Array) -> jax.Array:
    vectors = neighbourhoods.windows(plane, BLOCK, 1)
    return neighbourhoods.second_moments(vectors - reductions.mean(vectors)[:, None, None])


METRICS = {"vif": FunctionMetric("vif", vif, True, (0.0, float("inf")), min_size=MIN_SIZE)}
