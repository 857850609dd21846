"""Gradient magnitude similarity deviation, at one scale and at four.

W. Xue, L. Zhang, X. Mou, A. C. Bovik, "Gradient magnitude similarity deviation: a highly efficient
perceptual image quality index", IEEE TIP 23(2), 2014 (authors' `GMSD.m`); B. Zhang, P. V. Sander,
A. Bermak, "Gradient magnitude similarity deviation on multiple scales for color image quality
assessment", ICASSP 2017.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from gsn_jax.metric import FunctionMetric
from gsn_jax.metrics import colour, filters, finite
from gsn_jax.metrics.preparation import pairwise
from gsn_jax.metrics.similarity import PREWITT, deviation, energy_similarity, gradient_energy

T = 170.0
MASKING = 0.5
MS_WEIGHTS = (0.096, 0.596, 0.289, 0.019)
MS_MIN_SIZE = 17


@pairwise("gmsd", 3)
def gmsd(reference: jax.Array, distorted: jax.Array, *, rounded: bool = True) -> jax.Array:
    """Deviation of the similarity of Prewitt gradient magnitudes, at half resolution.

    Args:
        reference: `(..., H, W, 3)` in [0, 1], at least 3 x 3.
        distorted: as `reference`.
        rounded: whether luma is rounded to 8 bits, as `rgb2gray` does.

    Returns:
        `(...)`, a distance from 0 (equal images) to below 1. Symmetric.
    """
    return deviation(_similarity_map(reference, distorted, rounded), unbiased=True)


@pairwise("gmsd", 3)
def gmsd_map(reference: jax.Array, distorted: jax.Array) -> jax.Array:
    """1 - gradient similarity `(..., ceil(H / 2), ceil(W / 2))`; 0 where the gradients agree."""
    return 1 - _similarity_map(reference, distorted, True)


@pairwise("ms_gmsd", MS_MIN_SIZE)
def ms_gmsd(reference: jax.Array, distorted: jax.Array) -> jax.Array:
    """Multi-scale GMSD with gradient masking: root of the weighted mean square over four scales.

    Unlike `gmsd`, the finest scale is the full resolution and luma is not rounded.

    Args:
        reference: `(..., H, W, 3)` in [0, 1], at least 17 x 17.
        distorted: as `reference`.

    Returns:
        `(...)`, a distance from 0 (equal images) to below 1. Symmetric.
    """
    images = jnp.stack([reference, distorted])
    planes = 255 * colour.mix(images, colour.YIQ[0])
    square = 0.0
    for scale, weight in enumerate(MS_WEIGHTS):
        if scale:
            planes = filters.box_downsample(planes, 2, "constant")
        energy = gradient_energy(planes, PREWITT)
        local = energy_similarity(energy[0], energy[1], T, MASKING)
        square = square + weight * deviation(local, unbiased=False) ** 2
    return finite.sqrt(square)


def _similarity_map(reference: jax.Array, distorted: jax.Array, rounded: bool) -> jax.Array:
    planes = colour.luma(jnp.stack([reference, distorted]), rounded=rounded)
    planes = filters.box_downsample(planes, 2, "constant")
    energy = gradient_energy(planes, PREWITT)
    return energy_similarity(energy[0], energy[1], T)


METRICS = {
    "gmsd": FunctionMetric("gmsd", gmsd, False, (0.0, 1.0), gmsd_map, 3, filters.halved_grid),
    "ms_gmsd": FunctionMetric("ms_gmsd", ms_gmsd, False, (0.0, 1.0), min_size=MS_MIN_SIZE),
}
