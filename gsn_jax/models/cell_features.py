"""Frozen per-cell features and errors of a pair.

Backbone features and their errors are averaged over the cells of the backbone's last level. With a
frozen backbone they never change, so they can be computed once and stored, see
`gsn_jax.training.stored_crops`. For every level of C channels a cell has 4 C numbers: the features
of the reference and of the distorted image, scaled to unit length, the squared differences of
these (LPIPS), and the similarity errors of the unscaled features (SSIM's form, with masking).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from gsn_jax.backbones.resampling import reduce_to
from gsn_jax.heads import similarity_error
from gsn_jax.images.padded import Sizes

# In units of squared features: below it differences count absolutely. Squared features of VGG16
# and AlexNet are of the order of 1.
SIMILARITY_FLOOR = 0.05

# Errors per channel of a level.
ERRORS = 2


class LevelFeatures(NamedTuple):
    """What a level of C channels says about the cells of a pair.

    Attributes:
        reference: features of the references, scaled to unit length.
        distorted: likewise, of the distorted images.
        errors: squared differences, then similarity errors; >= 0.
    """

    reference: Float[Array, "n rows columns c"]
    distorted: Float[Array, "n rows columns c"]
    errors: Float[Array, "n rows columns 2c"]


def level_features(
    reference: Float[Array, "n h w c"],
    distorted: Float[Array, "n h w c"],
    average: Callable[[jax.Array], jax.Array],
) -> LevelFeatures:
    """Features and errors of one level; `average` gives the means over the cells."""
    first, second = normalise_channels(reference), normalise_channels(distorted)
    errors = (
        (first - second) ** 2,
        similarity_error(reference, distorted, jnp.float32(SIMILARITY_FLOOR)),
    )
    averaged = [average(error) for error in errors]
    return LevelFeatures(average(first), average(second), jnp.concatenate(averaged, axis=-1))


def features_of_levels(
    reference: Sequence[jax.Array],
    distorted: Sequence[jax.Array],
    strides: Sequence[int],
    sizes: Sizes = None,
) -> list[LevelFeatures]:
    """`level_features` of all levels, on the grid of the last one.

    Args:
        reference: features of the references, one `(N, H, W, C)` per level.
        distorted: likewise, of the distorted images.
        strides: image pixels per feature of each level.
        sizes: true sizes of the images, see `gsn_jax.images.padded`.
    """
    return [
        level_features(
            a.astype(jnp.float32),
            b.astype(jnp.float32),
            functools.partial(reduce_to, stride=stride, target=strides[-1], sizes=sizes),
        )
        for a, b, stride in zip(reference, distorted, strides, strict=True)
    ]


def normalise_channels(x: Float[Array, "n h w c"]) -> Float[Array, "n h w c"]:
    """`x` with a root mean square of 1 over the channels of each position.

    As in LPIPS (Zhang et al., CVPR 2018), times sqrt(C). A position without any response stays 0,
    with a finite gradient. The sum is a matrix product: XLA reduces more slowly on a CPU.
    """
    channels = x.shape[-1]
    ones = jnp.ones((channels, 1), x.dtype)
    energy = jnp.matmul(x**2, ones, precision=lax.Precision.HIGHEST)
    silent = energy == 0
    norm = jnp.where(silent, 1.0, jnp.sqrt(jnp.where(silent, 1.0, energy)))
    return x * (channels**0.5 / (norm + 1e-10))


def join_levels(levels: Sequence[LevelFeatures]) -> Float[Array, "n rows columns d"]:
    """All levels along the channels, as they are stored."""
    return jnp.concatenate([part for level in levels for part in level], axis=-1)


def split_levels(
    cells: Float[Array, "n rows columns d"], channels: Sequence[int]
) -> list[LevelFeatures]:
    """The levels that `join_levels` joined; `channels` is C of every level."""
    widths = [width for count in channels for width in (count, count, ERRORS * count)]
    parts = jnp.split(cells, np.cumsum(widths)[:-1], axis=-1)
    return [LevelFeatures(*parts[start : start + 3]) for start in range(0, len(parts), 3)]
