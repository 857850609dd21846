"""Mean deviation similarity index.

H. Ziaei Nafchi, A. Shahkolaei, R. Hedjam, M. Cheriet, "Mean deviation similarity index: efficient
and reliable full-reference image quality evaluator", IEEE Access 4, 2016; authors' `MDSI.m`.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gsn_jax.images.size_classes import Extent
from gsn_jax.metric import FunctionMetric
from gsn_jax.metrics import colour, filters, finite, reductions
from gsn_jax.metrics.preparation import pairwise
from gsn_jax.metrics.similarity import PREWITT, gradients, length_dissimilarity

C1, C2, C3 = 140.0, 55.0, 550.0
ALPHA = 0.6  # weight of the gradients against the chromaticity
POWER = 0.25
LHM = ((0.2989, 0.5870, 0.1140), (0.30, 0.04, -0.35), (0.34, -0.60, 0.17))


@pairwise("mdsi", 3, viewed=True)
def mdsi(
    reference: Float[Array, "*batch h w 3"],
    distorted: Float[Array, "*batch h w 3"],
    *,
    extent: Extent | None = None,
) -> Float[Array, "*batch"]:
    """Mean deviation of gradient and chromaticity similarity, summation form.

    Args:
        reference: sRGB in [0, 1], at least 3 x 3.
        distorted: as `reference`.
        extent: height and width of padded images, see `gsn_jax.metrics`.

    Returns:
        A distance from 0 (equal images) to 1. Not symmetric.
    """
    dissimilarity, extent = _dissimilarity(reference, distorted, extent)
    return _pooled(dissimilarity, functools.partial(reductions.mean, extent=extent))


@pairwise("mdsi", 3)
def mdsi_map(
    reference: Float[Array, "*batch h w 3"], distorted: Float[Array, "*batch h w 3"]
) -> Float[Array, "*batch h2 w2"]:
    """1 - gradient-chromaticity similarity; 0 where nothing changed.

    Returns:
        `(..., ceil(H / f), ceil(W / f))` with f = max(1, round(min(H, W) / 256)).
    """
    return _dissimilarity(reference, distorted)[0]


def _masked(
    reference: Float[Array, "h w 3"],
    distorted: Float[Array, "h w 3"],
    weights: Float[Array, "h2 w2"],
) -> Float[Array, ""]:
    dissimilarity, _ = _dissimilarity(reference, distorted)
    return _pooled(dissimilarity, functools.partial(reductions.weighted_mean, weights=weights))


def _pooled(
    dissimilarity: Float[Array, "h w"], mean: Callable[[jax.Array], jax.Array]
) -> Float[Array, ""]:
    parts = _missing_from_one(dissimilarity)
    squares = [(part - mean(part)) ** 2 for part in parts]
    return finite.power(mean(finite.sqrt(squares[0] + squares[1])), POWER)


def _missing_from_one(
    dissimilarity: Float[Array, "h w"],
) -> tuple[Float[Array, "h w"], Float[Array, "h w"]]:
    """Real and imaginary part of 1 - s^(1/4), with s = 1 - `dissimilarity`.

    The index is a deviation about the mean, so the added constant does not matter. It lets the
    fourth root, which magnifies rounding errors, be taken without cancellation. A negative s has a
    complex root, as in the authors' code.
    """
    small = dissimilarity < 0.5
    accurate = -jnp.expm1(POWER * jnp.log1p(-jnp.where(small, dissimilarity, 0)))
    root = finite.power(jnp.abs(1 - dissimilarity), POWER)
    negative = dissimilarity > 1
    real = jnp.where(negative, 1 - root * math.cos(math.pi * POWER), 1 - root)
    imaginary = jnp.where(negative, root * math.sin(math.pi * POWER), 0)
    return jnp.where(small, accurate, real), imaginary


def _dissimilarity(
    reference: Float[Array, "h w 3"],
    distorted: Float[Array, "h w 3"],
    extent: Extent | None = None,
) -> tuple[Float[Array, "h2 w2"], Extent | None]:
    """The local dissimilarity, and the extent of the decimated planes."""
    images = 255 * jnp.stack([reference, distorted - reference])
    planes = jnp.stack([colour.mix(images, row) for row in LHM])
    (light, first, second), extent = filters.viewed(planes, "constant", extent)
    slopes = gradients(light, PREWITT, extent)  # linear, so [1] holds those of the change
    vector, change = [plane[0] for plane in slopes], [plane[1] for plane in slopes]
    # The fused image is the mean of both, half the change away from each.
    half = [step / 2 for step in change]
    other = [x + step for x, step in zip(vector, change, strict=True)]
    gradient = (
        length_dissimilarity(vector, change, C1)
        + length_dissimilarity(other, [-step for step in half], C2)
        - length_dissimilarity(vector, half, C2)
    )
    changes = first[1] ** 2 + second[1] ** 2
    power = reductions.add(plane[0] ** 2 + (plane[0] + plane[1]) ** 2 for plane in (first, second))
    return ALPHA * gradient + (1 - ALPHA) * changes / (power + C3), extent


METRICS = {
    "mdsi": FunctionMetric(
        "mdsi",
        mdsi,
        False,
        (0.0, 1.0),
        mdsi_map,
        3,
        filters.viewing_grid,
        padded=True,
        masked=_masked,
    )
}
