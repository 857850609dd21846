"""Haar wavelet-based perceptual similarity index.

R. Reisenhofer, S. Bosse, G. Kutyniok, T. Wiegand, "A Haar wavelet-based perceptual similarity index
for image quality assessment", Signal Processing: Image Communication 61, 2018; authors'
`HaarPSI.m`.
"""

from __future__ import annotations

import math

import jax.numpy as jnp
from jaxtyping import Array, Float

from gsn_jax.images.size_classes import Extent
from gsn_jax.metric import FunctionMetric
from gsn_jax.metrics import colour, extents, filters, finite, reductions
from gsn_jax.metrics.preparation import pairwise
from gsn_jax.metrics.similarity import magnitude_dissimilarity

C = 30.0
ALPHA = 4.2
MIN_SIZE = 16


@pairwise("haarpsi", MIN_SIZE)
def haarpsi(
    reference: Float[Array, "*batch h w 3"],
    distorted: Float[Array, "*batch h w 3"],
    *,
    extent: Extent | None = None,
) -> Float[Array, "*batch"]:
    """Similarity of Haar coefficients and chroma, weighted by the coarsest coefficients.

    Args:
        reference: sRGB in [0, 1], at least 16 x 16.
        distorted: as `reference`.
        extent: height and width of padded images, see `gsn_jax.metrics`.

    Returns:
        A quality in [0, 1]; 1 for equal images. Symmetric.
    """
    dissimilarities, weights = _terms(reference, distorted, extent)
    return _pooled(dissimilarities, weights, extents.decimated(extent))


def _pooled(
    dissimilarities: Float[Array, "3 h w"],
    weights: Float[Array, "3 h w"],
    extent: Extent | None = None,
) -> Float[Array, ""]:
    # sigmoid(alpha) - sigmoid(alpha * (1 - dissimilarity)), without cancellation.
    odds, growth = math.exp(-ALPHA), jnp.expm1(ALPHA * dissimilarities)
    losses = odds * growth / ((1 + odds) * (1 + odds + odds * growth))
    loss = finite.divide(
        reductions.total(losses * weights, extent).sum(0),
        reductions.total(weights, extent).sum(0),
        0.0,
    )
    # logit(sigmoid(alpha) - loss) / alpha, written as a difference from 1, its value at loss 0.
    share = 1 / (1 + odds)
    return (1 + (jnp.log1p(-loss / share) - jnp.log1p(loss / (1 - share))) / ALPHA) ** 2


@pairwise("haarpsi", MIN_SIZE)
def haarpsi_map(
    reference: Float[Array, "*batch h w 3"], distorted: Float[Array, "*batch h w 3"]
) -> Float[Array, "*batch h2 w2"]:
    """Weighted mean `(..., ceil(H / 2), ceil(W / 2))` of three similarity maps; up = better."""
    dissimilarities, weights = _terms(reference, distorted)
    return 1 - finite.divide((dissimilarities * weights).sum(0), weights.sum(0), 0.0)


def _masked(
    reference: Float[Array, "h w 3"],
    distorted: Float[Array, "h w 3"],
    weights: Float[Array, "h2 w2"],
) -> Float[Array, ""]:
    dissimilarities, own = _terms(reference, distorted)
    return _pooled(dissimilarities, own * weights)


def _terms(
    reference: Float[Array, "h w 3"],
    distorted: Float[Array, "h w 3"],
    extent: Extent | None = None,
) -> tuple[Float[Array, "3 h2 w2"], Float[Array, "3 h2 w2"]]:
    """Dissimilarities and weights of both orientations and of chroma."""
    images = 255 * jnp.stack([reference, distorted - reference])
    luma, *chroma = (
        filters.box_downsample(colour.mix(images, row), 2, "constant", extent) for row in colour.YIQ
    )
    extent = extents.decimated(extent)
    bands = [_haar(luma, scale, extent) for scale in (1, 2, 3)]
    dissimilarities, weights = [], []
    for orientation in (0, 1):
        fine, middle, coarse = (band[orientation] for band in bands)
        dissimilarities.append(_mean_dissimilarity(fine, middle))
        weights.append(jnp.maximum(jnp.abs(coarse[0]), jnp.abs(coarse[0] + coarse[1])))
    dissimilarities.append(
        _mean_dissimilarity(*(_window(plane, (0.5, 0.5), (0.5, 0.5), extent) for plane in chroma))
    )
    weights.append((weights[0] + weights[1]) / 2)
    return jnp.stack(dissimilarities), jnp.stack(weights)


def _mean_dissimilarity(
    first: Float[Array, "2 h w"], second: Float[Array, "2 h w"]
) -> Float[Array, "h w"]:
    """Mean dissimilarity of two bands, each stacked with its change."""
    return (
        magnitude_dissimilarity(first[0], first[1], C)
        + magnitude_dissimilarity(second[0], second[1], C)
    ) / 2


def _haar(
    plane: Float[Array, "2 h w"], scale: int, extent: Extent | None
) -> tuple[Float[Array, "2 h w"], Float[Array, "2 h w"]]:
    half = 2 ** (scale - 1)
    box = (2.0**-scale,) * (2 * half)
    step = (-1.0,) * half + (1.0,) * half
    return _window(plane, step, box, extent), _window(plane, box, step, extent)


def _window(
    plane: Float[Array, "2 h w"],
    rows: tuple[float, ...],
    columns: tuple[float, ...],
    extent: Extent | None,
) -> Float[Array, "2 h w"]:
    """MATLAB's `conv2(..., "same")` for kernels of even size, up to the sign."""
    half = len(rows) // 2
    return filters.correlate_separable(
        filters.pad(plane, half - 1, half, "constant", extent), rows, columns
    )


METRICS = {
    "haarpsi": FunctionMetric(
        "haarpsi",
        haarpsi,
        True,
        (0.0, 1.0),
        haarpsi_map,
        MIN_SIZE,
        filters.halved_grid,
        padded=True,
        masked=_masked,
    )
}
