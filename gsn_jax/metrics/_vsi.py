"""Visual saliency-induced index.

L. Zhang, Y. Shen, H. Li, "VSI: a visual saliency-induced index for perceptual image quality
assessment", IEEE TIP 23(10), 2014; saliency by L. Zhang, Z. Gu, H. Li, "SDSP: a novel saliency
detection method by combining simple priors", ICIP 2013. Follows the authors' `VSI.m`.
"""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np

from gsn_jax.metric import FunctionMetric
from gsn_jax.metrics import colour, filters, finite, log_gabor, reductions, resizing
from gsn_jax.metrics._fsim import real_power
from gsn_jax.metrics.preparation import pairwise
from gsn_jax.metrics.similarity import SCHARR, energy_similarity, gradient_energy, similarity

C1, C2, C3 = 1.27, 386.0, 130.0  # saliency, gradient, chromaticity
GRADIENT_POWER, CHROMA_POWER = 0.40, 0.02
OMEGA, SIGMA_F, SIGMA_D, SIGMA_C = 0.021, 1.34, 145.0, 0.001
SALIENCY_SIZE = 256
LMN = ((0.06, 0.63, 0.27), (0.30, 0.04, -0.35), (0.34, -0.60, 0.17))
MIN_SIZE = 8


@pairwise("vsi", MIN_SIZE)
def vsi(reference: jax.Array, distorted: jax.Array) -> jax.Array:
    """Similarity of saliency, gradient and chromaticity, weighted by saliency.

    Args:
        reference: `(..., H, W, 3)` in [0, 1], at least 8 x 8.
        distorted: as `reference`.

    Returns:
        `(...)` in [0, 1], higher is better; 1 for equal images, and for images without any
        saliency. Symmetric.
    """
    local, weight = _terms(reference, distorted)
    return finite.divide(reductions.total(local * weight), reductions.total(weight), 1.0)


@pairwise("vsi", MIN_SIZE)
def vsi_map(reference: jax.Array, distorted: jax.Array) -> jax.Array:
    """Local similarity, not weighted, `(..., ceil(H / f), ceil(W / f))`.

    f = max(1, round(min(H, W) / 256)).
    """
    return _terms(reference, distorted)[0]


def saliency(images: jax.Array) -> jax.Array:
    """SDSP saliency in [0, 1] of images `(..., H, W, 3)` in [0, 255]: `(..., H, W)`."""
    height, width = images.shape[-3:-1]
    channels = jnp.moveaxis(images, -1, 0)
    small = resizing.resize_bilinear(channels, SALIENCY_SIZE, SALIENCY_SIZE) / 255
    lab = colour.lab_d50(small)
    band, centre = _priors()
    spectrum = jnp.fft.rfft2(lab) * jnp.asarray(band, lab.dtype)
    filtered = jnp.fft.irfft2(spectrum, s=(SALIENCY_SIZE, SALIENCY_SIZE))
    # Plane by plane: a reduction over an axis would be computed by scalars.
    frequency = finite.sqrt(sum(plane**2 for plane in filtered))
    warmth = sum(_stretched(plane) ** 2 for plane in lab[1:])
    warm = 1 - jnp.exp(-warmth / SIGMA_C**2)
    prior = frequency * jnp.asarray(centre, lab.dtype) * warm
    return _stretched(resizing.resize_bilinear(prior, height, width))


@functools.cache
def _priors() -> tuple[np.ndarray, np.ndarray]:
    """Log-Gabor transfer function for `rfft2`, and the prior for the centre."""
    radius, _ = log_gabor.polar_frequencies(SALIENCY_SIZE, SALIENCY_SIZE)
    band = np.where(radius <= 0.5, log_gabor.radial(radius, OMEGA, SIGMA_F), 0)
    squares = (np.arange(1, SALIENCY_SIZE + 1) - SALIENCY_SIZE / 2) ** 2
    centre = np.exp(-(squares[:, None] + squares) / SIGMA_D**2)
    return band[:, : SALIENCY_SIZE // 2 + 1], centre


def _stretched(plane: jax.Array) -> jax.Array:
    """MATLAB's `mat2gray`: the range of the plane becomes [0, 1]; a flat plane becomes 0."""
    low = plane.min((-2, -1), keepdims=True)
    high = plane.max((-2, -1), keepdims=True)
    return finite.divide(plane - low, high - low, 0.0)


def _terms(reference: jax.Array, distorted: jax.Array) -> tuple[jax.Array, jax.Array]:
    images = 255 * jnp.stack([reference, distorted])
    factor = filters.viewing_factor(*images.shape[-3:-1])
    salient, light, first, second = (
        filters.box_downsample(plane, factor, "constant")
        for plane in (saliency(images), *(colour.mix(images, row) for row in LMN))
    )
    energy = gradient_energy(light, SCHARR)
    chroma = similarity(first[0], first[1], C3) * similarity(second[0], second[1], C3)
    local = similarity(salient[0], salient[1], C1)
    local = local * finite.power(energy_similarity(energy[0], energy[1], C2), GRADIENT_POWER)
    local = local * real_power(chroma, CHROMA_POWER)
    return local, jnp.maximum(salient[0], salient[1])


METRICS = {
    "vsi": FunctionMetric("vsi", vsi, True, (0.0, 1.0), vsi_map, MIN_SIZE, filters.viewing_grid)
}
