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

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp

from gsn_jax import comparisons

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


def describe_level(
    a: jax.Array,
    b: jax.Array,
    names: Sequence[str],
    reduce: Callable[[jax.Array], jax.Array],
) -> tuple[jax.Array, jax.Array]:
    """What comes from one level: its part of `cells`, `(N, h, w, 2 C + errors)`, and moments.

    Args:
        a: features of the references, `(N, H, W, C)`.
        b: as `a`, of the distorted images.
        names: what to compare, of `gsn_jax.gsn.COMPARISONS`.
        reduce: means over the cells of the grid, `(N, H, W, X)` to `(N, h, w, X)`.

    Returns:
        The part, and the moments that `whole_errors` needs the means of, `(N, h, w, 5, C)`; C is 0
        without "structure".
    """
    unit = comparisons.normalise_channels(a), comparisons.normalise_channels(b)
    parts = [reduce(unit[0]), reduce(unit[1])]
    for name in names:
        if name == WHOLE:
            continue
        if name == "normalized":
            parts.append(reduce(comparisons.squared_error(*unit)))
        elif name == "similarity":
            floor = jnp.float32(SIMILARITY_FLOOR)
            parts.append(reduce(comparisons.similarity_error(a, b, floor)))
        else:
            parts.append(reduce(comparisons.absolute_error(a, b)))
    if WHOLE not in names:
        a, b = a[..., :0], b[..., :0]
    moments = jnp.stack(comparisons.moments(a, b, reduce), axis=-2)
    return jnp.concatenate(parts, axis=-1), moments


def split_levels(
    cells: jax.Array, channels: Sequence[int], names: Sequence[str]
) -> list[tuple[jax.Array, jax.Array]]:
    """Per level the unit features of both images `(N, h, w, 2 C)`, and the errors.

    Args:
        cells: see the module.
        channels: C of every level.
        names: what was compared.
    """
    levels, start = [], 0
    for count in channels:
        middle = start + 2 * count
        end = middle + count * sum(name != WHOLE for name in names)
        levels.append((cells[..., start:middle], cells[..., middle:end]))
        start = end
    return levels


def whole_errors(moments: jax.Array) -> jax.Array:
    """`whole` `(N, 2 C)` of the moments' means over all cells `(N, 5, C)`; from 0 to 2."""
    means = jnp.moveaxis(moments, -2, 0)
    floors = jnp.full(2 * moments.shape[-1], STRUCTURE_FLOOR, jnp.float32)
    return comparisons.moment_errors(means, floors)
