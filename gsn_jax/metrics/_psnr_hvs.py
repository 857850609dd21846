"""PSNR with the contrast sensitivity of the eye, without and with contrast masking.

K. Egiazarian, J. Astola, N. Ponomarenko, V. Lukin, F. Battisti, M. Carli, "New full-reference
quality metrics based on HVS", VPQM 2006 (PSNR-HVS); N. Ponomarenko, F. Silvestri, K. Egiazarian,
M. Carli, J. Astola, V. Lukin, "On between-coefficient contrast masking of DCT basis functions",
VPQM 2007 (PSNR-HVS-M). Tables and definition of the authors' `psnrhvsm.m`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gsn_jax.images.size_classes import Extent
from gsn_jax.metric import FunctionMetric, MapGrid
from gsn_jax.metrics import block_dct, colour, extents, finite, reductions
from gsn_jax.metrics._psnr import decibels
from gsn_jax.metrics.preparation import pairwise

BLOCK = block_dct.SIZE
# Contrast sensitivity per DCT coefficient, lowest frequency first.
# fmt: off
SENSITIVITY = (
    (1.608443, 2.339554, 2.573509, 1.608443, 1.072295, 0.643377, 0.504610, 0.421887),
    (2.144591, 2.144591, 1.838221, 1.354478, 0.989811, 0.443708, 0.428918, 0.467911),
    (1.838221, 1.979622, 1.608443, 1.072295, 0.643377, 0.451493, 0.372972, 0.459555),
    (1.838221, 1.513829, 1.169777, 0.887417, 0.504610, 0.295806, 0.321689, 0.415082),
    (1.429727, 1.169777, 0.695543, 0.459555, 0.378457, 0.236102, 0.249855, 0.334222),
    (1.072295, 0.735288, 0.467911, 0.402111, 0.317717, 0.247453, 0.227744, 0.279729),
    (0.525206, 0.402111, 0.329937, 0.295806, 0.249855, 0.212687, 0.214459, 0.254803),
    (0.357432, 0.279729, 0.270896, 0.262603, 0.229778, 0.257351, 0.249855, 0.259950),
)
# How much the energy of a coefficient masks others.
MASKING = (
    (0.390625, 0.826446, 1.000000, 0.390625, 0.173611, 0.062500, 0.038447, 0.026874),
    (0.694444, 0.694444, 0.510204, 0.277008, 0.147929, 0.029727, 0.027778, 0.033058),
    (0.510204, 0.591716, 0.390625, 0.173611, 0.062500, 0.030779, 0.021004, 0.031888),
    (0.510204, 0.346021, 0.206612, 0.118906, 0.038447, 0.013212, 0.015625, 0.026015),
    (0.308642, 0.206612, 0.073046, 0.031888, 0.021626, 0.008417, 0.009426, 0.016866),
    (0.173611, 0.081633, 0.033058, 0.024414, 0.015242, 0.009246, 0.007831, 0.011815),
    (0.041649, 0.024414, 0.016437, 0.013212, 0.009426, 0.006830, 0.006944, 0.009803),
    (0.019290, 0.011815, 0.011080, 0.010412, 0.007972, 0.010000, 0.009426, 0.010203),
)
# fmt: on


@pairwise("psnr_hvs", BLOCK)
def psnr_hvs(
    reference: Float[Array, "*batch h w 3"],
    distorted: Float[Array, "*batch h w 3"],
    *,
    extent: Extent | None = None,
    rounded: bool = True,
) -> Float[Array, "*batch"]:
    """PSNR of the luma with DCT coefficients weighted by contrast sensitivity.

    Uses non-overlapping 8 x 8 blocks; rows and columns beyond the last whole block are left out.

    Args:
        reference: sRGB in [0, 1], at least 8 x 8.
        distorted: as `reference`.
        extent: height and width of padded images, see `gsn_jax.metrics`.
        rounded: whether luma is rounded to 8 bits, as `rgb2ycbcr` does.

    Returns:
        Decibels, higher is better; infinite, with zero gradient, for equal images. Symmetric.
    """
    errors = _block_errors(reference, distorted, masked=False, rounded=rounded)
    mean = reductions.mean(errors, extents.whole_blocks(extent, BLOCK))
    return decibels(mean / 255**2)


@pairwise("psnr_hvs_m", BLOCK)
def psnr_hvs_m(
    reference: Float[Array, "*batch h w 3"],
    distorted: Float[Array, "*batch h w 3"],
    *,
    extent: Extent | None = None,
    rounded: bool = True,
) -> Float[Array, "*batch"]:
    """`psnr_hvs` with errors reduced by contrast masking within each block; arguments as there.

    Also infinite if every error is masked.
    """
    errors = _block_errors(reference, distorted, masked=True, rounded=rounded)
    mean = reductions.mean(errors, extents.whole_blocks(extent, BLOCK))
    return decibels(mean / 255**2)


@pairwise("psnr_hvs", BLOCK)
def psnr_hvs_map(
    reference: Float[Array, "*batch h w 3"],
    distorted: Float[Array, "*batch h w 3"],
    *,
    rounded: bool = True,
) -> Float[Array, "*batch h8 w8"]:
    """Negative weighted squared error per block, `(..., H // 8, W // 8)`, in squared levels."""
    return -_block_errors(reference, distorted, masked=False, rounded=rounded)


@pairwise("psnr_hvs_m", BLOCK)
def psnr_hvs_m_map(
    reference: Float[Array, "*batch h w 3"],
    distorted: Float[Array, "*batch h w 3"],
    *,
    rounded: bool = True,
) -> Float[Array, "*batch h8 w8"]:
    """As `psnr_hvs_map`, with masking."""
    return -_block_errors(reference, distorted, masked=True, rounded=rounded)


def _masked(
    local: Callable[..., jax.Array],
    reference: jax.Array,
    distorted: jax.Array,
    weights: jax.Array,
    **options: Any,
) -> jax.Array:
    """The score with weighted blocks."""
    errors = -local(reference, distorted, **options)
    return decibels(reductions.weighted_mean(errors, weights) / 255**2)


def _block_errors(
    reference: Float[Array, "h w 3"],
    distorted: Float[Array, "h w 3"],
    *,
    masked: bool,
    rounded: bool = True,
) -> Float[Array, "h8 w8"]:
    """The mean squared error of the weighted coefficients in each block."""
    images = jnp.stack([reference, distorted])
    luma = colour.luma(images, weights=colour.STUDIO_LUMA, rounded=rounded)
    blocks = block_dct.blocks(luma)
    coefficients = block_dct.transform(blocks)
    error = jnp.abs(coefficients[0] - coefficients[1])
    if masked:
        mask = _mask(blocks, coefficients).max(0)
        threshold = mask[..., None, None] / jnp.asarray(MASKING, luma.dtype)
        threshold = threshold.at[..., 0, 0].set(0)
        error = jnp.maximum(error - threshold, 0)
    return ((error * jnp.asarray(SENSITIVITY, luma.dtype)) ** 2).mean((-2, -1))


def _mask(
    blocks: Float[Array, "2 h8 w8 8 8"], coefficients: Float[Array, "2 h8 w8 8 8"]
) -> Float[Array, "2 h8 w8"]:
    """The masking effect of each block: its weighted energy, reduced for edges."""
    weights = np.array(MASKING)
    weights[0, 0] = 0
    energy = (coefficients * coefficients * jnp.asarray(weights, blocks.dtype)).sum((-2, -1))
    half = BLOCK // 2
    quadrants = blocks.reshape(*blocks.shape[:-2], 2, half, 2, half)
    within = _scatter(quadrants, (-3, -1)).sum((-2, -1))
    share = finite.divide(within, _scatter(blocks, (-2, -1)), 0.0)
    return finite.sqrt(energy * share) / 32


def _scatter(samples: Float[Array, "*shape"], axes: tuple[int, int]) -> Float[Array, "*shape"]:
    """The variance (n - 1) over two axes, times the number n of samples."""
    number = samples.shape[axes[0]] * samples.shape[axes[1]]
    centred = samples - samples.mean(axes, keepdims=True)
    return (centred * centred).sum(axes) * (number / (number - 1))


def _grid(height: int, width: int) -> MapGrid:
    del height, width
    return MapGrid(BLOCK, (BLOCK - 1) / 2)


_RANGE = (-float("inf"), float("inf"))
METRICS = {
    "psnr_hvs": FunctionMetric(
        "psnr_hvs",
        psnr_hvs,
        True,
        _RANGE,
        psnr_hvs_map,
        BLOCK,
        _grid,
        padded=True,
        masked=functools.partial(_masked, psnr_hvs_map),
    ),
    "psnr_hvs_m": FunctionMetric(
        "psnr_hvs_m",
        psnr_hvs_m,
        True,
        _RANGE,
        psnr_hvs_m_map,
        BLOCK,
        _grid,
        padded=True,
        masked=functools.partial(_masked, psnr_hvs_m_map),
    ),
}
