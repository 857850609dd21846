"""Mean deviation similarity index.

H. Ziaei Nafchi, A. Shahkolaei, R. Hedjam, M. Cheriet, "Mean deviation similarity index: efficient
and reliable full-reference image quality evaluator", IEEE Access 4, 2016; authors' `MDSI.m`.
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp

from gsn_jax.metric import FunctionMetric
from gsn_jax.metrics import colour, filters, finite, reductions
from gsn_jax.metrics.preparation import pairwise
from gsn_jax.metrics.similarity import PREWITT, energy_similarity, gradients

C1, C2, C3 = 140.0, 55.0, 550.0
ALPHA = 0.6  # of the gradients against the chromaticity
POWER = 0.25
LHM = ((0.2989, 0.5870, 0.1140), (0.30, 0.04, -0.35), (0.34, -0.60, 0.17))


@pairwise("mdsi", 3)
def mdsi(reference: jax.Array, distorted: jax.Array) -> jax.Array:
    """Mean deviation of gradient and chromaticity similarity, summation form.

    Args:
        reference: `(..., H, W, 3)` in [0, 1], at least 3 x 3.
        distorted: as `reference`.

    Returns:
        `(...)`, a distance from 0 (equal images) to 1. Not symmetric.
    """
    local = _similarity(reference, distorted)
    # A negative similarity has a complex fourth root, as in the authors' code.
    root = finite.power(jnp.abs(local), POWER)
    negative = local < 0
    real = jnp.where(negative, root * math.cos(math.pi * POWER), root)
    imaginary = jnp.where(negative, root * math.sin(math.pi * POWER), 0)
    squares = sum(reductions.centred(part) ** 2 for part in (real, imaginary))
    return finite.power(reductions.mean(finite.sqrt(squares)), POWER)


@pairwise("mdsi", 3)
def mdsi_map(reference: jax.Array, distorted: jax.Array) -> jax.Array:
    """1 - gradient-chromaticity similarity; 0 where nothing changed.

    Returns:
        `(..., ceil(H / f), ceil(W / f))` with f = max(1, round(min(H, W) / 256)).
    """
    return 1 - _similarity(reference, distorted)


def _similarity(reference: jax.Array, distorted: jax.Array) -> jax.Array:
    images = 255 * jnp.stack([reference, distorted])
    factor = filters.viewing_factor(*images.shape[-3:-1])
    light, first, second = (
        filters.box_downsample(colour.mix(images, row), factor, "constant") for row in LHM
    )
    vertical, horizontal = gradients(light, PREWITT)
    energy = vertical**2 + horizontal**2
    # Gradients are linear. Planes are added one by one: a reduction would be computed by scalars.
    fused = sum(((plane[0] + plane[1]) / 2) ** 2 for plane in (vertical, horizontal))
    gradient = (
        energy_similarity(energy[0], energy[1], C1)
        + energy_similarity(energy[1], fused, C2)
        - energy_similarity(energy[0], fused, C2)
    )
    product = first[0] * first[1] + second[0] * second[1]
    power = sum(plane**2 for plane in (*first, *second))
    chromaticity = (2 * product + C3) / (power + C3)
    return ALPHA * gradient + (1 - ALPHA) * chromaticity


METRICS = {
    "mdsi": FunctionMetric("mdsi", mdsi, False, (0.0, 1.0), mdsi_map, 3, filters.viewing_grid)
}
