"""Visual information fidelity in the pixel domain.

H. R. Sheikh, A. C. Bovik, "Image information and visual quality", IEEE TIP 15(2), 2006; authors'
`vifp_mscale.m`, their multi-scale approximation without wavelets. `vif` is the original.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from gsn_jax.metric import FunctionMetric
from gsn_jax.metrics import colour, filters, finite, reductions
from gsn_jax.metrics.preparation import pairwise

NOISE = 2.0  # variance of the visual noise
TOLERANCE = 1e-10
MIN_SIZE = 41


@pairwise("vifp", MIN_SIZE)
def vifp(reference: jax.Array, distorted: jax.Array, *, rounded: bool = True) -> jax.Array:
    """Information about the reference kept in the distorted luma, over four scales.

    Args:
        reference: `(..., H, W, 3)` in [0, 1], at least 41 x 41.
        distorted: as `reference`.
        rounded: whether luma is rounded to 8 bits, as `rgb2gray` does.

    Returns:
        `(...)` from 0, higher is better; 1 for equal images, above 1 for enhanced contrast.
        A flat reference holds no information: the value is then 1. Not symmetric.
    """
    planes = (
        colour.luma(jnp.stack([reference, distorted]), rounded=rounded) - 127.5
    )  # variances ignore an offset
    kept = total = 0.0
    for scale in range(4):
        size = 2 ** (4 - scale) + 1
        taps = filters.gaussian_taps(size, size / 5)
        if scale:
            planes = filters.correlate_separable(planes, taps, taps)[..., ::2, ::2]
        more_kept, more = _information(planes[0], planes[1], taps)
        kept, total = kept + more_kept, total + more
    return finite.divide(kept, total, 1.0)


def _information(
    x: jax.Array, y: jax.Array, taps: tuple[float, ...]
) -> tuple[jax.Array, jax.Array]:
    moments = jnp.stack([x, y, x * x, y * y, x * y])
    mean_x, mean_y, xx, yy, xy = filters.correlate_separable(moments, taps, taps)
    variance_x = jnp.maximum(xx - mean_x * mean_x, 0)
    variance_y = jnp.maximum(yy - mean_y * mean_y, 0)
    gain, error = distortion_channel(variance_x, variance_y, xy - mean_x * mean_y, TOLERANCE)
    variance_x = jnp.where(variance_x < TOLERANCE, 0, variance_x)
    kept = jnp.log1p(gain * gain * variance_x / (error + NOISE))
    return reductions.total(kept), reductions.total(jnp.log1p(variance_x / NOISE))


def distortion_channel(
    variance_x: jax.Array, variance_y: jax.Array, covariance: jax.Array, tolerance: float
) -> tuple[jax.Array, jax.Array]:
    """Gain and error variance of the best y = gain * x + error with gain >= 0.

    Args:
        variance_x: of the reference, >= 0.
        variance_y: of the distorted image, >= 0.
        covariance: of both.
        tolerance: a variance below this counts as zero.
    """
    flat_x, flat_y = variance_x < tolerance, variance_y < tolerance
    gain = covariance / jnp.where(flat_x, 1, variance_x + tolerance)
    gain = jnp.where(flat_x | flat_y, 0, gain)
    error = jnp.where(flat_y, 0, variance_y - gain * covariance)
    error = jnp.where(gain < 0, variance_y, error)
    return jnp.maximum(gain, 0), jnp.maximum(error, tolerance)


METRICS = {"vifp": FunctionMetric("vifp", vifp, True, (0.0, float("inf")), min_size=MIN_SIZE)}
