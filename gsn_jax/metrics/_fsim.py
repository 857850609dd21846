"""Feature similarity, of luminance (FSIM) and with chroma (FSIMc).

L. Zhang, L. Zhang, X. Mou, D. Zhang, "FSIM: a feature similarity index for image quality
assessment", IEEE TIP 20(8), 2011; authors' `FeatureSIM.m`.
"""

from __future__ import annotations

import functools

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from gsn_jax.images.size_classes import Extent, Shape, size_class
from gsn_jax.metric import FunctionMetric
from gsn_jax.metrics import colour, filters, finite, reductions
from gsn_jax.metrics.phase_congruency import padded_phase_congruency, phase_congruency
from gsn_jax.metrics.preparation import pairwise
from gsn_jax.metrics.similarity import SCHARR, dissimilarity, gradient_dissimilarity
from gsn_jax.metrics.staging import staged

T1, T2, T3, T4 = 0.85, 160.0, 200.0, 200.0
CHROMA_POWER = 0.03
MIN_SIZE = 8
LARGEST_CLASS = 1088  # pixels


@pairwise("fsim", MIN_SIZE, viewed=True)
def fsim(
    reference: Float[Array, "*batch h w 3"],
    distorted: Float[Array, "*batch h w 3"],
    *,
    extent: Extent | None = None,
) -> Float[Array, "*batch"]:
    """Similarity of phase congruency and gradients of the luminance.

    Args:
        reference: sRGB in [0, 1], at least 8 x 8.
        distorted: as `reference`.
        extent: height and width of padded images, see `gsn_jax.metrics`.

    Returns:
        A quality in [0, 1]; 1 for equal images, and for images without any structure. Symmetric.
    """
    return _pooled(*_terms(reference, distorted, extent, chromatic=False))


@pairwise("fsimc", MIN_SIZE, viewed=True)
def fsimc(
    reference: Float[Array, "*batch h w 3"],
    distorted: Float[Array, "*batch h w 3"],
    *,
    extent: Extent | None = None,
) -> Float[Array, "*batch"]:
    """`fsim` with the similarity of I and Q, to the power 0.03, as a further local factor."""
    return _pooled(*_terms(reference, distorted, extent, chromatic=True))


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
    local, own, _ = _terms(reference, distorted, chromatic=chromatic)
    return _pooled(local, own * weights)


def _pooled(
    local: Float[Array, "h2 w2"], weights: Float[Array, "h2 w2"], extent: Extent | None = None
) -> Float[Array, ""]:
    return 1 - reductions.weighted_mean(1 - local, weights, extent)


def _terms(
    reference: Float[Array, "h w 3"],
    distorted: Float[Array, "h w 3"],
    extent: Extent | None = None,
    *,
    chromatic: bool,
) -> tuple[Float[Array, "h2 w2"], Float[Array, "h2 w2"], Extent | None]:
    """Local similarities, their weights, and the extent of both."""
    images = 255 * jnp.stack([reference, distorted - reference])
    planes = jnp.stack([colour.mix(images, row) for row in colour.YIQ[: 3 if chromatic else 1]])
    (luma, *chroma), extent = filters.viewed(planes, "constant", extent)
    first, second = staged(_congruency(jnp.stack([luma[0], luma[0] + luma[1]]), extent))
    local = 1 - dissimilarity(first, second - first, T1)
    local = local * (1 - gradient_dissimilarity(luma[0], luma[1], SCHARR, T2, extent=extent))
    if chromatic:
        in_phase, quadrature = (
            1 - dissimilarity(plane[0], plane[1], constant)
            for plane, constant in zip(chroma, (T3, T4), strict=True)
        )
        local = local * finite.real_power(in_phase * quadrature, CHROMA_POWER)
    return local, jnp.maximum(first, second), extent


def _congruency(luma: Float[Array, "2 h w"], extent: Extent | None) -> Float[Array, "2 h w"]:
    """Phase congruency, one image at a time, so that equal images have identical arithmetic."""
    luma = reductions.without_offset(luma, extent)
    if extent is None:
        return lax.map(phase_congruency, luma)
    return padded_phase_congruency(luma, extent)


def _size_class(height: int, width: int) -> Shape | None:
    """The size class of small images; larger ones are decimated to a fraction of their array."""
    shape = size_class(height, width)
    return shape if shape is None or max(shape) <= LARGEST_CLASS else None


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
        padded=True,
        size_class=_size_class,
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
        padded=True,
        size_class=_size_class,
        masked=functools.partial(_masked, chromatic=True),
    ),
}
