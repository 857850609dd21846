"""Frozen backbone features and errors of a pair: per cell, and of the whole image.

They never change, so they can be computed once and stored, see `gsn_jax.training.stored_crops`.

- Per cell of the backbone's last level: for every level of C channels 4 C averages, of the features
  of the reference and of the distorted image, normalised over the channels, of their squared
  differences (LPIPS), and of the similarity errors of the original features (SSIM's form, with
  masking).
- Per image: texture and structure errors, as in DISTS (Ding et al., IEEE TPAMI 2022). They depend
  on four means per channel over the image, which in a tiled image follow from sums over tiles.
  Texture is described by statistics of the whole image, which windows of a few cells do not give.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from gsn_jax.backbones.padded import Sizes
from gsn_jax.backbones.resampling import reduce_to
from gsn_jax.fusion import similarity_error
from gsn_jax.heads import weighted_sums

# In units of squared features, which are of order 1 for VGG16 and AlexNet. Below it, differences
# count absolutely.
SIMILARITY_FLOOR = 0.05

# Errors per channel of a level.
ERRORS = 2


class LevelFeatures(NamedTuple):
    """Per-cell features and errors of a pair at a level of C channels.

    Attributes:
        reference: features of the references, normalised by `normalise_channels`.
        distorted: likewise, of the distorted images.
        errors: squared differences, then similarity errors; >= 0.
    """

    reference: Float[Array, "n rows columns c"]
    distorted: Float[Array, "n rows columns c"]
    errors: Float[Array, "n rows columns 2*c"]


def level_features(
    reference: Float[Array, "n h w c"],
    distorted: Float[Array, "n h w c"],
    average: Callable[[jax.Array], jax.Array],
) -> LevelFeatures:
    """Features and errors of one level; `average` takes the means over the cells."""
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
        sizes: true sizes of the images, see `gsn_jax.backbones.padded`.
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
    with a finite gradient. The sum is a matrix product, because XLA's sum is slower on a CPU.
    """
    channels = x.shape[-1]
    ones = jnp.ones((channels, 1), x.dtype)
    energy = jnp.matmul(x**2, ones, precision=lax.Precision.HIGHEST)
    silent = energy == 0
    norm = jnp.where(silent, 1.0, jnp.sqrt(jnp.where(silent, 1.0, energy)))
    return x * (channels**0.5 / (norm + 1e-10))


def join_levels(levels: Sequence[LevelFeatures]) -> Float[Array, "n rows columns d"]:
    """Concatenates all levels along the channels, as they are stored."""
    return jnp.concatenate([part for level in levels for part in level], axis=-1)


def split_levels(
    cells: Float[Array, "n rows columns d"], channels: Sequence[int]
) -> list[LevelFeatures]:
    """The levels that `join_levels` joined; `channels` is C of every level."""
    widths = [width for count in channels for width in (count, count, ERRORS * count)]
    parts = jnp.split(cells, np.cumsum(widths)[:-1], axis=-1)
    return [LevelFeatures(*parts[start : start + 3]) for start in range(0, len(parts), 3)]


def moment_sums(
    levels: Sequence[tuple[jax.Array, jax.Array]], weights: Sequence[jax.Array]
) -> Float[Array, "n 4*c"]:
    """Weighted sums over positions of the `gsn_jax.fusion.MEANS` moments, of all levels' channels.

    Args:
        levels: features of references and of distorted images, `(N, H, W, C)` each.
        weights: of the positions of each level, `(N, H, W)`.
    """
    sums = [
        [weighted_sums(x, weight) for x in (a, b, a**2 + b**2, (a - b) ** 2)]
        for (a, b), weight in zip(levels, weights, strict=True)
    ]
    return jnp.concatenate(list(itertools.chain(*zip(*sums, strict=True))), axis=-1)


def position_weights(
    cells: Float[Array, "n rows columns"],
    shape: Sequence[int],
    stride: int,
    target: int,
    sizes: Sizes = None,
) -> Float[Array, "n h w"]:
    """The share of each position of a level in the means over `cells`.

    Args:
        cells: weights of the cells.
        shape: N, h and w of the level.
        stride: image pixels per position of the level.
        target: image pixels per cell.
        sizes: true sizes of the images, see `gsn_jax.backbones.padded`.
    """
    positions = jax.ShapeDtypeStruct((*shape, 1), jnp.float32)
    spread = jax.linear_transpose(lambda x: reduce_to(x, stride, target, sizes), positions)
    return spread(cells[..., None])[0][..., 0]
