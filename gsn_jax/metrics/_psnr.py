"""Peak signal-to-noise ratio."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from gsn_jax.metric import FunctionMetric
from gsn_jax.metrics import colour, reductions
from gsn_jax.metrics.preparation import checked_pair, pairwise


def psnr(reference: jax.Array, distorted: jax.Array, *, eps: float = 0.0) -> jax.Array:
    """10 log10(1 / MSE) in decibels, the MSE over all pixels and the three channels.

    Args:
        reference: `(..., H, W, 3)` in [0, 1].
        distorted: as `reference`.
        eps: added to the MSE; 1e-8 bounds the value by 80 dB, as some libraries do.

    Returns:
        `(...)`, higher is better; infinite, with zero gradient, for equal images if eps = 0.
    """
    first, second = checked_pair("psnr", 1, reference, distorted)
    squares = ((first - second) ** 2).reshape((*first.shape[:-2], -1))
    # Rows first: that sum is one of whole rows, which a CPU adds many numbers at a time.
    mse = squares.sum(-2).sum(-1) / (squares.shape[-2] * squares.shape[-1])
    return _decibels(mse + eps)


@pairwise("psnr_y", 1)
def psnr_y(
    reference: jax.Array, distorted: jax.Array, *, eps: float = 0.0, rounded: bool = True
) -> jax.Array:
    """`psnr` of the BT.601 luma (MATLAB's `rgb2gray`; not the studio-range Y' of 16-235).

    Args:
        reference: `(..., H, W, 3)` in [0, 1].
        distorted: as `reference`.
        eps: as for `psnr`.
        rounded: whether luma is rounded to 8 bits, as `rgb2gray` does.

    Returns:
        `(...)` in decibels, higher is better.
    """
    planes = colour.luma(jnp.stack([reference, distorted]), rounded=rounded)
    return _decibels(reductions.mean((planes[0] - planes[1]) ** 2) / 255**2 + eps)


def _decibels(mse: jax.Array) -> jax.Array:
    different = mse > 0
    return jnp.where(different, -10 * jnp.log10(jnp.where(different, mse, 1)), jnp.inf)


def _map(reference: jax.Array, distorted: jax.Array) -> jax.Array:
    return -((reference - distorted) ** 2).mean(-1)


def _luma_map(reference: jax.Array, distorted: jax.Array) -> jax.Array:
    return -(((colour.luma(reference) - colour.luma(distorted)) / 255) ** 2)


_RANGE = (0.0, float("inf"))
METRICS = {
    "psnr": FunctionMetric("psnr", psnr, True, _RANGE, _map),
    "psnr_y": FunctionMetric("psnr_y", psnr_y, True, _RANGE, _luma_map),
}
