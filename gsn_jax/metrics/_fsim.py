"""Feature similarity, of luminance (FSIM) and with chroma (FSIMc).

L. Zhang, L. Zhang, X. Mou, D. Zhang, "FSIM: a feature similarity index for image quality
assessment", IEEE TIP 20(8), 2011; authors' `FeatureSIM.m`.
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp

from gsn_jax.metric import FunctionMetric
from gsn_jax.metrics import colour, filters, finite, reductions
from gsn_jax.metrics.phase_congruency import phase_congruency
from gsn_jax.metrics.preparation import pairwise
from gsn_jax.metrics.similarity import SCHARR, energy_similarity, gradient_energy, similarity
from gsn_jax.metrics.staging import staged

T1, T2, T3, T4 = 0.85, 160.0, 200.0, 200.0
CHROMA_POWER = 0.03
MIN_SIZE = 8


@pairwise("fsim", MIN_SIZE)
def fsim(reference: jax.Array, distorted: jax.Array) -> jax.Array:
    """Similarity of phase congruency and gradients of the luminance.

    Args:
        reference: `(..., H, W, 3)` in [0, 1], at least 8 x 8.
        distorted: as `reference`.

    Returns:
        `(...)` in [0, 1], higher is better; 1 for equal images, and for images without any
        structure. Symmetric.
    """
    return _pooled(*_terms(reference, distorted, chromatic=False))


@pairwise("fsimc", MIN_SIZE)
def fsimc(reference: jax.Array, distorted: jax.Array) -> jax.Array:
    """`fsim` times the similarity of I and Q to the power 0.03; shapes and range as there."""
    return _pooled(*_terms(reference, distorted, chromatic=True))


@pairwise("fsim", MIN_SIZE)
def fsim_map(reference: jax.Array, distorted: jax.Array) -> jax.Array:
    """Local similarity, not weighted, `(..., ceil(H / f), ceil(W / f))`.

    f = max(1, round(min(H, W) / 256)).
    """
    return _terms(reference, distorted, chromatic=False)[0]


@pairwise("fsimc", MIN_SIZE)
def fsimc_map(reference: jax.Array, distorted: jax.Array) -> jax.Array:
    """As `fsim_map`, with chroma."""
    return _terms(reference, distorted, chromatic=True)[0]


def real_power(base: jax.Array, exponent: float) -> jax.Array:
    """The real part of base ** exponent, which is complex for a negative base."""
    magnitude = finite.power(jnp.abs(base), exponent)
    return jnp.where(base < 0, magnitude * math.cos(math.pi * exponent), magnitude)


def _pooled(local: jax.Array, weight: jax.Array) -> jax.Array:
    return finite.divide(reductions.total(local * weight), reductions.total(weight), 1.0)


def _terms(
    reference: jax.Array, distorted: jax.Array, *, chromatic: bool
) -> tuple[jax.Array, jax.Array]:
    images = 255 * jnp.stack([reference, distorted])
    factor = filters.viewing_factor(*images.shape[-3:-1])
    luma, *chroma = (
        filters.box_downsample(colour.mix(images, row), factor, "constant") for row in colour.YIQ
    )
    congruency = staged(phase_congruency(luma))
    energy = gradient_energy(luma, SCHARR)
    local = similarity(congruency[0], congruency[1], T1)
    local = local * energy_similarity(energy[0], energy[1], T2)
    if chromatic:
        first, second = (
            similarity(plane[0], plane[1], constant)
            for plane, constant in zip(chroma, (T3, T4), strict=True)
        )
        local = local * real_power(first * second, CHROMA_POWER)
    return local, jnp.maximum(congruency[0], congruency[1])


_RANGE = (0.0, 1.0)
METRICS = {
    "fsim": FunctionMetric("fsim", fsim, True, _RANGE, fsim_map, MIN_SIZE, filters.viewing_grid),
    "fsimc": FunctionMetric(
        "fsimc", fsimc, True, _RANGE, fsimc_map, MIN_SIZE, filters.viewing_grid
    ),
}
