"""Visual saliency-induced index.

L. Zhang, Y. Shen, H. Li, "VSI: a visual saliency-induced index for perceptual image quality
assessment", IEEE TIP 23(10), 2014; saliency by L. Zhang, Z. Gu, H. Li, "SDSP: a novel saliency
detection method by combining simple priors", ICIP 2013. Follows the authors' `VSI.m`.
"""

from __future__ import annotations

import functools

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from gsn_jax.images.size_classes import Extent
from gsn_jax.metric import FunctionMetric
from gsn_jax.metrics import colour, filters, finite, log_gabor, reductions, resizing
from gsn_jax.metrics.preparation import pairwise
from gsn_jax.metrics.similarity import SCHARR, dissimilarity, gradient_dissimilarity

C1, C2, C3 = 1.27, 386.0, 130.0  # saliency, gradient, chromaticity
GRADIENT_POWER, CHROMA_POWER = 0.40, 0.02
OMEGA, SIGMA_F, SIGMA_D, SIGMA_C = 0.021, 1.34, 145.0, 0.001
SALIENCY_SIZE = 256
LMN = ((0.06, 0.63, 0.27), (0.30, 0.04, -0.35), (0.34, -0.60, 0.17))
MIN_SIZE = 8


@pairwise("vsi", MIN_SIZE, viewed=True)
def vsi(
    reference: Float[Array, "*batch h w 3"],
    distorted: Float[Array, "*batch h w 3"],
    *,
    extent: Extent | None = None,
) -> Float[Array, "*batch"]:
    """Similarity of saliency, gradient and chromaticity, weighted by saliency.

    Args:
        reference: sRGB in [0, 1], at least 8 x 8.
        distorted: as `reference`.
        extent: height and width of padded images, see `gsn_jax.metrics`.

    Returns:
        A quality in [0, 1]; 1 for equal images, and for images without any saliency. Symmetric.
    """
    local, weight, extent = _terms(reference, distorted, extent)
    return 1 - reductions.weighted_mean(1 - local, weight, extent)


@pairwise("vsi", MIN_SIZE)
def vsi_map(
    reference: Float[Array, "*batch h w 3"], distorted: Float[Array, "*batch h w 3"]
) -> Float[Array, "*batch h2 w2"]:
    """Local similarity `(..., ceil(H / f), ceil(W / f))`, before weighting by saliency.

    f = max(1, round(min(H, W) / 256)).
    """
    return _terms(reference, distorted)[0]


def _masked(
    reference: Float[Array, "h w 3"],
    distorted: Float[Array, "h w 3"],
    weights: Float[Array, "h2 w2"],
) -> Float[Array, ""]:
    local, own, _ = _terms(reference, distorted)
    return 1 - reductions.weighted_mean(1 - local, own * weights)


def saliency(image: Float[Array, "h w 3"], extent: Extent | None = None) -> Float[Array, "h w"]:
    """SDSP saliency in [0, 1] of an sRGB image in [0, 1]; zero for a flat image."""
    height, width = image.shape[:2]
    channels = jnp.moveaxis(image, -1, 0)
    offsets = reductions.middle(channels, extent)  # resizing would not keep a flat plane flat
    small = resizing.resize_bilinear(channels - offsets, SALIENCY_SIZE, SALIENCY_SIZE, extent)
    lab = colour.lab_d50(small + offsets)
    band, centre = _priors()
    spectrum = filters.apply_transfer(jnp.fft.rfft2(lab), jnp.asarray(band, lab.dtype))
    filtered = jnp.fft.irfft2(spectrum, s=(SALIENCY_SIZE, SALIENCY_SIZE))
    frequency = finite.sqrt(reductions.add(plane**2 for plane in filtered))
    warmth = reductions.add(_stretched(plane) ** 2 for plane in lab[1:])
    warm = 1 - jnp.exp(-warmth / SIGMA_C**2)
    prior = frequency * jnp.asarray(centre, lab.dtype) * warm
    return _stretched(resizing.resize_bilinear(prior, height, width, target=extent), extent)


@functools.cache
def _priors() -> tuple[np.ndarray, np.ndarray]:
    """Returns the log-Gabor transfer function for `rfft2`, and the centre prior."""
    radius, _ = log_gabor.polar_frequencies(SALIENCY_SIZE, SALIENCY_SIZE)
    band = np.where(radius <= 0.5, log_gabor.radial(radius, OMEGA, SIGMA_F), 0)
    squares = (np.arange(1, SALIENCY_SIZE + 1) - SALIENCY_SIZE / 2) ** 2
    centre = np.exp(-(squares[:, None] + squares) / SIGMA_D**2)
    return band[:, : SALIENCY_SIZE // 2 + 1], centre


def _stretched(plane: Float[Array, "h w"], extent: Extent | None = None) -> Float[Array, "h w"]:
    """MATLAB's `mat2gray`: the range of the plane becomes [0, 1]; a flat plane becomes 0."""
    low, high = reductions.extremes(plane, extent)
    return finite.divide(plane - low, high - low, 0.0)


def _terms(
    reference: Float[Array, "h w 3"],
    distorted: Float[Array, "h w 3"],
    extent: Extent | None = None,
) -> tuple[Float[Array, "h2 w2"], Float[Array, "h2 w2"], Extent | None]:
    """Local similarities, their weights, and the extent of both."""
    images = 255 * jnp.stack([reference, distorted - reference])
    # One image at a time, so that the arithmetic for equal images is identical.
    both = jnp.stack([reference, distorted])
    salient = lax.map(functools.partial(saliency, extent=extent), both)
    planes = jnp.stack([salient, *(colour.mix(images, row) for row in LMN)])
    ((first, second), light, *chroma), extent = filters.viewed(planes, "constant", extent)
    gradient = 1 - gradient_dissimilarity(light[0], light[1], SCHARR, C2, extent=extent)
    red_green, blue_yellow = (1 - dissimilarity(plane[0], plane[1], C3) for plane in chroma)
    local = 1 - dissimilarity(first, second - first, C1)
    local = local * finite.power(gradient, GRADIENT_POWER)
    local = local * finite.real_power(red_green * blue_yellow, CHROMA_POWER)
    return local, jnp.maximum(first, second), extent


METRICS = {
    "vsi": FunctionMetric(
        "vsi",
        vsi,
        True,
        (0.0, 1.0),
        vsi_map,
        MIN_SIZE,
        filters.viewing_grid,
        padded=True,
        masked=_masked,
    )
}
