"""What a trunk says of a pair, on the grid of the score map: all of a GSN that learns nothing.

Features of unit length and errors of several kinds are averaged over the cells of the grid. With a
frozen trunk they never change, so a training can compute them once and store them; see
`gsn_jax.training.stored_crops`.

A description is two arrays. `cells` is `(N, h, w, D)`: for every level of C channels, one after the
other, the unit features of reference and distorted image, 2 C channels, and C errors for each of
"normalized", "similarity" and "difference". `whole` is `(N, E)`: with "structure" the errors of
texture and of structure that DISTS finds in the whole image, of all channels of all levels each;
without it, nothing.

The texture of an image is in its statistics, which windows of a few cells do not give: heads that
saw them only agreed with people less than the same heads beside DISTS.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gsn_jax.models import comparisons

# In units of squared features: below it differences count absolutely. Those of VGG16 and AlexNet
# are of the order of 1.
SIMILARITY_FLOOR = 0.05

# DISTS's stabilisers c1 and c2, in units of squared features.
STRUCTURE_FLOOR = 1e-6

# The comparison whose errors are those of the whole image.
WHOLE = "structure"

# Raised with every change of what a description holds, so that no stored one is taken for it.
VERSION = 2

# How many means over the image the errors of a channel come from, see `comparisons.moments`.
MOMENTS = 5


class Level(NamedTuple):
    """What comes from one level of C channels, on the grid of the score map.

    Attributes:
        first: unit features of the references, `(N, h, w, C)`.
        second: those of the distorted images.
        errors: `(N, h, w, E)`, C for each comparison but "structure".
    """

    first: jax.Array
    second: jax.Array
    errors: jax.Array


def describe_level(
    a: jax.Array,
    b: jax.Array,
    names: Sequence[str],
    reduce: Callable[[jax.Array], jax.Array],
) -> Level:
    """What comes from one level.

    Args:
        a: features of the references, `(N, H, W, C)`.
        b: as `a`, of the distorted images.
        names: what to compare, of `gsn_jax.gsn.COMPARISONS`.
        reduce: means over the cells of the grid, `(N, H, W, X)` to `(N, h, w, X)`.
    """
    unit = comparisons.normalise_channels(a), comparisons.normalise_channels(b)
    errors = []
    for name in names:
        if name == WHOLE:
            continue
        if name == "normalized":
            errors.append(reduce(comparisons.squared_error(*unit)))
        elif name == "similarity":
            floor = jnp.float32(SIMILARITY_FLOOR)
            errors.append(reduce(comparisons.similarity_error(a, b, floor)))
        else:
            errors.append(reduce(comparisons.absolute_error(a, b)))
    return Level(reduce(unit[0]), reduce(unit[1]), jnp.concatenate(errors, axis=-1))


def join_levels(levels: Sequence[Level]) -> jax.Array:
    """`cells` of a description, see the module."""
    return jnp.concatenate([part for level in levels for part in level], axis=-1)


def split_levels(cells: jax.Array, channels: Sequence[int], names: Sequence[str]) -> list[Level]:
    """The levels whose `join_levels` is `cells`.

    Args:
        cells: see the module.
        channels: C of every level.
        names: what was compared.
    """
    errors = sum(name != WHOLE for name in names)
    widths = [width for count in channels for width in (count, count, errors * count)]
    parts = jnp.split(cells, np.cumsum(widths)[:-1], axis=-1)
    return [Level(*parts[start : start + 3]) for start in range(0, len(parts), 3)]


def moment_sums(
    levels: Sequence[tuple[jax.Array, jax.Array]], weights: Sequence[jax.Array]
) -> jax.Array:
    """The moments of all levels, each one after the other, `(N, 5 C)`; C is of all levels together.

    Args:
        levels: features of references and of distorted images, `(N, H, W, C)` each.
        weights: of the positions of each level, `(N, H, W)`.
    """
    sums = [
        comparisons.moments(a, b, functools.partial(weighted_sums, weights=weight))
        for (a, b), weight in zip(levels, weights, strict=True)
    ]
    return jnp.concatenate(list(itertools.chain(*zip(*sums, strict=True))), axis=-1)


def weighted_sums(x: jax.Array, weights: jax.Array) -> jax.Array:
    """Sums over positions, `(N, H, W, C)` and `(N, H, W)` to `(N, C)`.

    As a matrix product, which on a CPU is several times as fast as XLA's sum.
    """
    batch, height, width, channels = x.shape  # named, since an exporter may not know them
    row = weights.reshape(batch, 1, height * width)
    columns = x.reshape(batch, height * width, channels)
    return jnp.matmul(row, columns, precision=jax.lax.Precision.HIGHEST)[:, 0]


def whole_errors(means: jax.Array) -> jax.Array:
    """`whole` `(..., 2 C)` of means that `moment_sums` gives, `(..., 5 C)`; from 0 to 2."""
    means = jnp.moveaxis(
        means.reshape(*means.shape[:-1], MOMENTS, means.shape[-1] // MOMENTS), -2, 0
    )
    floors = jnp.full(2 * means.shape[-1], STRUCTURE_FLOOR, jnp.float32)
    return comparisons.moment_errors(means, floors)
