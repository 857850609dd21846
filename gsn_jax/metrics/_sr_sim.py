"""Spectral residual based similarity.

L. Zhang, H. Li, "SR-SIM: a fast and high performance IQA index based on spectral residual", ICIP
2012; authors' `SR_SIM.m`. Saliency by X. Hou, L. Zhang, "Saliency detection: a spectral residual
approach", CVPR 2007.
"""

from __future__ import annotations

import functools

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from gsn_jax.metric import FunctionMetric
from gsn_jax.metrics import colour, filters, finite, reductions
from gsn_jax.metrics.preparation import pairwise
from gsn_jax.metrics.similarity import SCHARR, dissimilarity, gradients, length_dissimilarity

C1, C2 = 0.40, 225.0  # saliency, gradient
GRADIENT_POWER = 0.5
SALIENCY_SCALE = 0.25
AVERAGE = 3
WINDOW, SIGMA = 10, 3.8
MIN_SIZE = 40  # the saliency map then holds a window


@pairwise("sr_sim", MIN_SIZE)
def sr_sim(
    reference: Float[Array, "*batch h w 3"], distorted: Float[Array, "*batch h w 3"]
) -> Float[Array, "*batch"]:
    """Similarity of spectral residual saliency and of gradients, weighted by saliency.

    Args:
        reference: sRGB in [0, 1], at least 40 x 40.
        distorted: as `reference`.

    Returns:
        A quality in [0, 1]; 1 for equal images, and for images without any saliency. Symmetric.
    """
    return 1 - reductions.weighted_mean(*_terms(reference, distorted))


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
    loss, own = _terms(reference, distorted)
    return 1 - reductions.weighted_mean(loss, own * weights)


def _terms(
    reference: Float[Array, "h w 3"], distorted: Float[Array, "h w 3"]
) -> tuple[Float[Array, "h2 w2"], Float[Array, "h2 w2"]]:
    luma = 255 * colour.mix(jnp.stack([reference, distorted]), colour.YIQ[0])
    luma = filters.box_downsample(luma, filters.viewing_factor(*luma.shape[-2:]), "constant")
    salient = _saliency(luma)
    loss = dissimilarity(salient[0], salient[1] - salient[0], C1)
    slopes = gradients(luma, SCHARR)
    gradient_loss = length_dissimilarity(
        [slope[0] for slope in slopes], [slope[1] - slope[0] for slope in slopes], C2
    )
    local = (1 - loss) * (1 - gradient_loss) ** GRADIENT_POWER
    return 1 - local, jnp.maximum(salient[0], salient[1])


def _saliency(luma: Float[Array, "2 h w"]) -> Float[Array, "2 h w"]:
    """Spectral residual saliency, stretched to [0, 1] for each image."""
    height, width = luma.shape[-2:]
    small = [int(np.ceil(size * SALIENCY_SCALE)) for size in (height, width)]
    spectrum = jnp.fft.fft2(_resized(luma, small, [SALIENCY_SCALE] * 2))
    amplitude = finite.sqrt(spectrum.real**2 + spectrum.imag**2)
    log_amplitude = jnp.log(amplitude + jnp.finfo(luma.dtype).eps)
    taps = filters.box_taps(AVERAGE)
    padded = filters.pad(log_amplitude, AVERAGE // 2, AVERAGE // 2, "edge")
    residual = jnp.exp(log_amplitude - filters.correlate_separable(padded, taps, taps))
    # The phase of zero is zero.
    cosine = finite.divide(spectrum.real, amplitude, 1.0)
    sine = finite.divide(spectrum.imag, amplitude, 0.0)
    wave = jnp.fft.ifft2(lax.complex(residual * cosine, residual * sine))
    energy = filters.pad(wave.real**2 + wave.imag**2, WINDOW // 2 - 1, WINDOW // 2, "constant")
    taps = filters.gaussian_taps(WINDOW, SIGMA)
    blurred = filters.correlate_separable(energy, taps, taps)
    low, high = (extreme((-2, -1), keepdims=True) for extreme in (blurred.min, blurred.max))
    stretched = finite.divide(blurred - low, high - low, 0.0)
    scales = [size / shrunk for size, shrunk in zip((height, width), small, strict=True)]
    return _resized(stretched, [height, width], scales)


def _resized(
    planes: Float[Array, "2 h w"], sizes: list[int], scales: list[float]
) -> Float[Array, "2 _h _w"]:
    """MATLAB's `imresize(..., "bicubic")`."""
    rows, columns = (
        jnp.asarray(_cubic_matrix(*arguments), planes.dtype)
        for arguments in zip(planes.shape[-2:], sizes, scales, strict=True)
    )
    precision = lax.Precision.HIGHEST
    return jnp.matmul(jnp.matmul(rows, planes, precision=precision), columns.T, precision=precision)


@functools.lru_cache(maxsize=32)
def _cubic_matrix(size: int, target: int, scale: float) -> np.ndarray:
    """The resampling along one axis, `(target, size)`: antialiased, mirrored at the borders."""
    stretch = min(scale, 1.0)
    centres = (np.arange(target)[:, None] + 0.5) / scale - 0.5
    reach = int(np.ceil(2 / stretch)) + 1
    samples = np.floor(centres).astype(int) + np.arange(-reach, reach + 1)
    x = np.abs(stretch * (centres - samples))
    inner, outer = 1.5 * x**3 - 2.5 * x**2 + 1, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    weights = np.where(x <= 1, inner, np.where(x <= 2, outer, 0))
    mirrored = np.concatenate([np.arange(size), np.arange(size)[::-1]])[np.mod(samples, 2 * size)]
    matrix = np.zeros((target, size))
    np.add.at(matrix, (np.arange(target)[:, None], mirrored), weights)
    return matrix / weights.sum(1, keepdims=True)


METRICS = {
    "sr_sim": FunctionMetric(
        "sr_sim",
        sr_sim,
        True,
        (0.0, 1.0),
        sr_sim_map,
        MIN_SIZE,
        filters.viewing_grid,
        masked=_masked,
    )
}
