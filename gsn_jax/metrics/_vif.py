"""Visual information fidelity, the wavelet-domain original.

H. R. Sheikh, A. C. Bovik, "Image information and visual quality", IEEE TIP 15(2), 2006; authors'
`vifvec.m`: vector Gaussian scale mixtures on two orientations of four pyramid levels.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from gsn_jax.metric import FunctionMetric
from gsn_jax.metrics import colour, filters, neighbourhoods, reductions, steerable
from gsn_jax.metrics._vifp import distortion_channel
from gsn_jax.metrics.preparation import pairwise
from gsn_jax.metrics.staging import staged

BLOCK = 3
LEVELS = 4
NOISE = 0.4  # variance of the visual noise
TOLERANCE = 1e-12
FLOOR = 0.01  # nats on both sides of the ratio, which decide for a flat reference only
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
    levels = [_whole_blocks(bands) for bands in steerable.oriented_bands(planes, LEVELS)]
    # All small matrices at once: each call costs more than its arithmetic.
    covariances = jnp.stack([_covariance(bands[:, 0]) for bands in levels])
    kept = total = FLOOR
    for level, spectra in enumerate(zip(*neighbourhoods.spectrum(covariances), strict=True)):
        window = 2 ** (LEVELS - level) + 1
        more_kept, more = _information(levels[level], window, *spectra)
        kept, total = kept + more_kept, total + more
    return kept / total


def _whole_blocks(bands: jax.Array) -> jax.Array:
    height, width = (size // BLOCK * BLOCK for size in bands.shape[-2:])
    return bands[..., :height, :width]


def _information(
    bands: jax.Array, window: int, eigenvalues: jax.Array, inverses: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Kept and total information of both orientations `(2, 2, h, w)` of a level."""
    border = -(-(window // 2) // BLOCK)
    inside = (..., slice(border, -border), slice(border, -border))
    gain, error = (field[inside] for field in _channel(bands, window))
    blocks = neighbourhoods.windows(bands[:, 0], BLOCK, BLOCK)
    scale = neighbourhoods.multipliers(blocks, inverses)[inside]
    signal = eigenvalues.T[:, :, None, None] * scale
    kept = jnp.log1p(gain * gain * signal / (error + NOISE)).sum((0, 1))
    return reductions.total(kept), reductions.total(jnp.log1p(signal / NOISE).sum((0, 1)))


def _channel(bands: jax.Array, window: int) -> tuple[jax.Array, jax.Array]:
    """Gain and error variance per block, from a window around the block's centre."""
    half = window // 2
    x, y = bands[:, 0], bands[:, 1]
    moments = filters.pad(jnp.stack([x, y, x * x, y * y, x * y]), half, half, "reflect")
    taps = filters.box_taps(window)
    rows = filters.correlate_axis(moments, taps, -2)[..., BLOCK // 2 :: BLOCK, :]
    means = filters.correlate_axis(staged(rows), taps, -1)[..., BLOCK // 2 :: BLOCK]
    mean_x, mean_y, xx, yy, xy = staged(means)
    variance_x = jnp.maximum(xx - mean_x * mean_x, 0)
    variance_y = jnp.maximum(yy - mean_y * mean_y, 0)
    return distortion_channel(variance_x, variance_y, xy - mean_x * mean_y, TOLERANCE)


def _covariance(planes: jax.Array) -> jax.Array:
    vectors = neighbourhoods.windows(planes, BLOCK, 1)
    return neighbourhoods.second_moments(vectors - reductions.mean(vectors)[..., None, None])


METRICS = {"vif": FunctionMetric("vif", vif, True, (0.0, float("inf")), min_size=MIN_SIZE)}
