"""Peak signal-to-noise ratio."""

from __future__ import annotations

import math

import jax.numpy as jnp
from jaxtyping import Array, Float

from gsn_jax.images.size_classes import Extent
from gsn_jax.metric import FunctionMetric
from gsn_jax.metrics import colour, extents, reductions
from gsn_jax.metrics.preparation import checked_pair, pairwise


def psnr(
    reference: Float[Array, "*batch h w 3"],
    distorted: Float[Array, "*batch h w 3"],
    *,
    extent: Extent | None = None,
    eps: float = 0.0,
) -> Float[Array, "*batch"]:
    """10 log10(1 / MSE), with the MSE over all pixels and the three channels.

    Args:
        reference: sRGB in [0, 1].
        distorted: as `reference`.
        extent: height and width of padded images, see `gsn_jax.metrics`.
        eps: added to the MSE; 1e-8 limits the value to 80 dB, as some libraries do.

    Returns:
        Decibels from 0, higher is better; infinite, with zero gradient, for equal images if
        `eps` is 0. Symmetric.
    """
    first, second = checked_pair("psnr", 1, reference, distorted)
    squares = (first - second) ** 2
    count = extents.count(squares[..., 0], extent)
    if extent is not None:
        squares = jnp.where(extents.mask(squares.shape[:-1], extent)[..., None], squares, 0)
    squares = squares.reshape((*first.shape[:-2], -1))
    # Over the rows first, because a CPU adds whole rows with vector instructions.
    mse = squares.sum(-2).sum(-1) / (3 * count)
    return decibels(mse + eps)


@pairwise("psnr_y", 1)
def psnr_y(
    reference: Float[Array, "*batch h w 3"],
    distorted: Float[Array, "*batch h w 3"],
    *,
    extent: Extent | None = None,
    eps: float = 0.0,
    rounded: bool = True,
) -> Float[Array, "*batch"]:
    """`psnr` of the BT.601 luma (MATLAB's `rgb2gray`; not the studio-range Y' of 16-235).

    Args:
        reference: sRGB in [0, 1].
        distorted: as `reference`.
        extent: height and width of padded images, see `gsn_jax.metrics`.
        eps: as for `psnr`.
        rounded: whether luma is rounded to 8 bits, as `rgb2gray` does.

    Returns:
        Decibels, as `psnr`.
    """
    _, change = colour.luma_and_change(reference, distorted, rounded=rounded)
    return decibels(reductions.mean(change**2, extent) / 255**2 + eps)


def decibels(mse: Float[Array, "*batch"]) -> Float[Array, "*batch"]:
    """PSNR of mean squared errors on the scale [0, 1]; infinite, with zero gradient, for 0."""
    different = mse > 0
    mse = jnp.where(different, mse, 1)
    # At 1 the tangent, because -log10(1) is -0. The gradient of log10(1 / mse) would overflow.
    level = jnp.where(mse == 1, (1 - mse) * 10 / math.log(10), -10 * jnp.log10(mse))
    return jnp.where(different, level, jnp.inf)


def _map(
    reference: Float[Array, "*batch h w 3"], distorted: Float[Array, "*batch h w 3"]
) -> Float[Array, "*batch h w"]:
    return -((reference - distorted) ** 2).mean(-1)


def _luma_map(
    reference: Float[Array, "*batch h w 3"],
    distorted: Float[Array, "*batch h w 3"],
    *,
    rounded: bool = True,
) -> Float[Array, "*batch h w"]:
    _, change = colour.luma_and_change(reference, distorted, rounded=rounded)
    return -((change / 255) ** 2)


def _masked(
    reference: Float[Array, "h w 3"], distorted: Float[Array, "h w 3"], weights: Float[Array, "h w"]
) -> Float[Array, ""]:
    return decibels(reductions.weighted_mean(-_map(reference, distorted), weights))


def _luma_masked(
    reference: Float[Array, "h w 3"],
    distorted: Float[Array, "h w 3"],
    weights: Float[Array, "h w"],
    *,
    rounded: bool = True,
) -> Float[Array, ""]:
    local = _luma_map(reference, distorted, rounded=rounded)
    return decibels(reductions.weighted_mean(-local, weights))


_RANGE = (0.0, float("inf"))
METRICS = {
    "psnr": FunctionMetric("psnr", psnr, True, _RANGE, _map, padded=True, masked=_masked),
    "psnr_y": FunctionMetric(
        "psnr_y", psnr_y, True, _RANGE, _luma_map, padded=True, masked=_luma_masked
    ),
}
