"""Spectral residual based similarity.

L. Zhang, H. Li, "SR-SIM: a fast and high performance IQA index based on spectral residual", ICIP
2012; authors' `SR_SIM.m`. Saliency by X. Hou, L. Zhang, "Saliency detection: a spectral residual
approach", CVPR 2007.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from gsn_jax.images.size_classes import Extent
from gsn_jax.metric import FunctionMetric
from gsn_jax.metrics import colour, extents, filters, finite, fourier, reductions, resizing
from gsn_jax.metrics.preparation import pairwise
from gsn_jax.metrics.similarity import SCHARR, dissimilarity, gradients, length_dissimilarity

C1, C2 = 0.40, 225.0  # saliency, gradient
GRADIENT_POWER = 0.5
REDUCTION = 4  # of the resolution for the saliency
AVERAGE = 3
WINDOW, SIGMA = 10, 3.8
MIN_SIZE = 40  # the saliency map then holds a window


@pairwise("sr_sim", MIN_SIZE, viewed=True)
def sr_sim(
    reference: Float[Array, "*batch h w 3"],
    distorted: Float[Array, "*batch h w 3"],
    *,
    extent: Extent | None = None,
) -> Float[Array, "*batch"]:
    """Similarity of spectral residual saliency and of gradients, weighted by saliency.

    Args:
        reference: sRGB in [0, 1], at least 40 x 40.
        distorted: as `reference`.
        extent: height and width of padded images, see `gsn_jax.metrics`.

    Returns:
        A quality in [0, 1]; 1 for equal images, and for images without any saliency. Symmetric.
    """
    return 1 - reductions.weighted_mean(*_terms(reference, distorted, extent))


@pairwise("sr_sim", MIN_SIZE)
def sr_sim_map(
    reference: Float[Array, "*batch h w 3"], distorted: Float[Array, "*batch h w 3"]
) -> Float[Array, "*batch h2 w2"]:
    """The local similarity, without weights, `(..., ceil(H / f), ceil(W / f))`.

    f = max(1, round(min(H, W) / 256)).
    """
    return 1 - _terms(reference, distorted)[0]


def _masked(
    reference: Float[Array, "h w 3"],
    distorted: Float[Array, "h w 3"],
    weights: Float[Array, "h2 w2"],
) -> Float[Array, ""]:
    loss, own, _ = _terms(reference, distorted)
    return 1 - reductions.weighted_mean(loss, own * weights)


def _terms(
    reference: Float[Array, "h w 3"],
    distorted: Float[Array, "h w 3"],
    extent: Extent | None = None,
) -> tuple[Float[Array, "h2 w2"], Float[Array, "h2 w2"], Extent | None]:
    """Local losses, their weights, and the extent of both."""
    luma = 255 * colour.mix(jnp.stack([reference, distorted]), colour.YIQ[0])
    luma, extent = filters.viewed(luma, "constant", extent)
    salient = _saliency(luma, extent)
    loss = dissimilarity(salient[0], salient[1] - salient[0], C1)
    slopes = gradients(luma, SCHARR, extent)
    gradient_loss = length_dissimilarity(
        [slope[0] for slope in slopes], [slope[1] - slope[0] for slope in slopes], C2
    )
    local = (1 - loss) * (1 - gradient_loss) ** GRADIENT_POWER
    return 1 - local, jnp.maximum(salient[0], salient[1]), extent


def _saliency(luma: Float[Array, "2 h w"], extent: Extent | None) -> Float[Array, "2 h w"]:
    """Spectral residual saliency, stretched to [0, 1] for each image."""
    shape, dtype = luma.shape[-2:], luma.dtype
    small_shape = tuple(-(-size // REDUCTION) for size in shape)
    small = extents.decimated(extent, REDUCTION)
    rows, columns = (
        fourier.matrix(jnp.arange(length, dtype=jnp.int32), length, size, dtype)
        for length, size in zip(small_shape, small or small_shape, strict=True)
    )
    reduced = _resized(luma, small_shape, extent or shape, (1, 1), (REDUCTION, REDUCTION))
    spectrum = fourier.forward(reduced, rows, columns)
    amplitude = finite.sqrt(spectrum.real**2 + spectrum.imag**2)
    log_amplitude = jnp.log(amplitude + jnp.finfo(dtype).eps)
    taps = filters.box_taps(AVERAGE)
    padded = filters.pad(log_amplitude, AVERAGE // 2, AVERAGE // 2, "edge", small)
    residual = jnp.exp(log_amplitude - filters.correlate_separable(padded, taps, taps))
    residual = extents.filled(residual, small) / extents.count(residual, small)
    # A zero coefficient has phase zero.
    cosine = finite.divide(spectrum.real, amplitude, 1.0)
    sine = finite.divide(spectrum.imag, amplitude, 0.0)
    wave = fourier.inverse(lax.complex(residual * cosine, residual * sine), rows, columns)
    energy = wave.real**2 + wave.imag**2
    energy = filters.pad(energy, WINDOW // 2 - 1, WINDOW // 2, "constant", small)
    taps = filters.gaussian_taps(WINDOW, SIGMA)
    blurred = filters.correlate_separable(energy, taps, taps)
    low, high = reductions.extremes(blurred, small)
    stretched = finite.divide(blurred - low, high - low, 0.0)
    sizes = small or small_shape
    return _resized(stretched, shape, sizes, extent or shape, sizes)


def _resized(
    planes: Float[Array, "2 h w"],
    shape: tuple[int, ...],
    sizes: tuple[Any, ...],
    targets: tuple[Any, ...],
    sources: tuple[Any, ...],
) -> Float[Array, "2 _h _w"]:
    """MATLAB's `imresize(..., "bicubic")` by the factors `targets` / `sources`.

    Args:
        planes: with the images in the top left corners.
        shape: height and width of the result.
        sizes: height and width of the images.
        targets: number of rows and columns that `sources` rows and columns become.
        sources: see `targets`.
    """
    rows, columns = (
        resizing.matrix(
            jnp.arange(length, dtype=jnp.int32),
            samples,
            size,
            target,
            planes.dtype,
            source=source,
            kernel=resizing.cubic,
        )
        for length, samples, size, target, source in zip(
            shape, planes.shape[-2:], sizes, targets, sources, strict=True
        )
    )
    return resizing.applied(rows, planes, columns)


METRICS = {
    "sr_sim": FunctionMetric(
        "sr_sim",
        sr_sim,
        True,
        (0.0, 1.0),
        sr_sim_map,
        MIN_SIZE,
        filters.viewing_grid,
        padded=True,
        masked=_masked,
    )
}
