"""Feature similarity, of luminance (FSIM) and with chroma (FSIMc).

L. Zhang, L. Zhang, X. Mou, D. Zhang, "FSIM: a feature similarity index for image quality
assessment", IEEE TIP 20(8), 2011; authors' `FeatureSIM.m`.
"""

from __future__ import annotations

import functools

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from gsn_jax.metric import FunctionMetric
from gsn_jax.metrics import colour, filters, finite, reductions
from gsn_jax.metrics.phase_congruency import phase_congruency
from gsn_jax.metrics.preparation import pairwise
from gsn_jax.metrics.similarity import SCHARR, dissimilarity, gradient_dissimilarity
from gsn_jax.metrics.staging import staged

T1, T2, T3, T4 = 0.85, 160.0, 200.0, 200.0
CHROMA_POWER = 0.03
MIN_SIZE = 8


@pairwise("fsim", MIN_SIZE)
def fsim(
    reference: Float[Array, "*batch h w 3"], distorted: Float[Array, "*batch h w 3"]
) -> Float[Array, "*batch"]:
    """Similarity of phase congruency and gradients of the luminance.

    Args:
        reference: sRGB in [0, 1], at least 8 x 8.
        distorted: as `reference`.

    Returns:
        A quality in [0, 1]; 1 for equal images, and for images without any structure. Symmetric.
    """
    return _pooled(*_terms(reference, distorted, chromatic=False))


@pairwise("fsimc", MIN_SIZE)
def fsimc(
    reference: Float[Array, "*batch h w 3"], distorted: Float[Array, "*batch h w 3"]
) -> Float[Array, "*batch"]:
    """`fsim` with the similarity of I and Q, to the power 0.03, as a further local factor."""
    return _pooled(*_terms(reference, distorted, chromatic=True))


@pairwise("fsim", MIN_SIZE)
def fsim_map(
    reference: Float[Array, "*batch h w 3"], distorted: Float[Array, "*batch h w 3"]
) -> Float[Array, "*batch h2 w2"]:
    """Local similarity `(..., ceil(H / f), ceil(W / f))`, before weighting by phase congruency.

    f = max(1, round(min(H, W) / 256)).
    """
    return _terms(reference, distorted, chromatic=False)[0]


@pairwise("fsimc", MIN_SIZE)
def fsimc_map(
    reference: Float[Array, "*batch h w 3"], distorted: Float[Array, "*batch h w 3"]
) -> Float[Array, "*batch h2 w2"]:
    """`fsim_map` with chroma."""
    return _terms(reference, distorted, chromatic=True)[0]


def _masked(
    reference: Float[Array, "h w 3"],
    distorted: Float[Array, "h w 3"],
    weights: Float[Array, "h2 w2"],
    *,
    chromatic: bool,
) -> Float[Array, ""]:
    local, own = _terms(reference, distorted, chromatic=chromatic)
    return _pooled(local, own * weights)


def _pooled(local: Float[Array, "h2 w2"], weights: Float[Array, "h2 w2"]) -> Float[Array, ""]:
    return 1 - reductions.weighted_mean(1 - local, weights)


def _terms(
    reference: Float[Array, "h w 3"], distorted: Float[Array, "h w 3"], *, chromatic: bool
) -> tuple[Float[Array, "h2 w2"], Float[Array, "h2 w2"]]:
    """Local similarities and their weights."""
    images = 255 * jnp.stack([reference, distorted - reference])
    factor = filters.viewing_factor(*images.shape[-3:-1])
    luma, *chroma = (
        filters.box_downsample(colour.mix(images, row), factor, "constant") for row in colour.YIQ
    )
    # One image at a time, so that the arithmetic for equal images is identical.
    both = jnp.stack([luma[0], luma[0] + luma[1]])
    first, second = staged(lax.map(phase_congruency, reductions.without_offset(both)))
    local = 1 - dissimilarity(first, second - first, T1)
    local = local * (1 - gradient_dissimilarity(luma[0], luma[1], SCHARR, T2))
    if chromatic:
        in_phase, quadrature = (
            1 - dissimilarity(plane[0], plane[1], constant)
            for plane, constant in zip(chroma, (T3, T4), strict=True)
        )
        local = local * finite.real_power(in_phase * quadrature, CHROMA_POWER)
    return local, jnp.maximum(first, second)


_RANGE = (0.0, 1.0)
METRICS = {
    "fsim": FunctionMetric(
        "fsim",
        fsim,
        True,
        _RANGE,
        fsim_map,
        MIN_SIZE,
        filters.viewing_grid,
        masked=functools.partial(_masked, chromatic=False),
    ),
    "fsimc": FunctionMetric(
        "fsimc",
        fsimc,
        True,
        _RANGE,
        fsimc_map,
        MIN_SIZE,
        filters.viewing_grid,
        masked=functools.partial(_masked, chromatic=True),
    ),
}
