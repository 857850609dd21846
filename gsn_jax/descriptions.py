"""What a trunk says of a pair, on the grid of the score map: all of a GSN that learns nothing.

Features of unit length and errors of several kinds are averaged over the cells of the grid. With a
frozen trunk they never change, so a training can compute them once and store them; see
`gsn_jax.training.stored_crops`.

A description is one array `(N, h, w, D)`. For every level of C channels it holds, one after the
other, the unit features of reference and distorted image, 2 C channels, and the errors: C for
"normalized", "similarity" and "difference" each, 2 C for "structure".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp

from gsn_jax import comparisons, padded

# In units of squared features: below them differences count absolutely. Those of VGG16 and AlexNet
# are of the order of 1.
SIMILARITY_FLOOR = 0.05
STRUCTURE_FLOOR = 0.01

# Raised with every change of what a description holds, so that no stored one is taken for it.
VERSION = 1

# The window of "structure" on the grid, and half of it, in cells.
_WINDOW = (1 / 4, 1 / 2, 1 / 4)
WINDOW_REACH = len(_WINDOW) // 2


def describe_level(
    a: jax.Array,
    b: jax.Array,
    names: Sequence[str],
    reduce: Callable[[jax.Array], jax.Array],
    sizes: padded.Sizes = None,
) -> jax.Array:
    """The part of a description that comes from one level, `(N, h, w, 2 C + errors)`.

    Args:
        a: features of the references, `(N, H, W, C)`.
        b: as `a`, of the distorted images.
        names: what to compare, of `gsn_jax.gsn.COMPARISONS`.
        reduce: means over the cells of the grid, `(N, H, W, X)` to `(N, h, w, X)`.
        sizes: true sizes on the grid, see `gsn_jax.padded`.
    """
    unit = comparisons.normalise_channels(a), comparisons.normalise_channels(b)
    parts = [reduce(unit[0]), reduce(unit[1])]
    for name in names:
        if name == "structure":
            parts.append(_structure(a, b, reduce, sizes))
        elif name == "normalized":
            parts.append(reduce(comparisons.squared_error(*unit)))
        elif name == "similarity":
            floor = jnp.float32(SIMILARITY_FLOOR)
            parts.append(reduce(comparisons.similarity_error(a, b, floor)))
        else:
            parts.append(reduce(comparisons.absolute_error(a, b)))
    return jnp.concatenate(parts, axis=-1)


def split_levels(
    description: jax.Array, channels: Sequence[int], names: Sequence[str]
) -> list[tuple[jax.Array, jax.Array]]:
    """Per level the unit features of both images `(N, h, w, 2 C)`, and the errors.

    Args:
        description: see the module.
        channels: C of every level.
        names: what was compared.
    """
    levels, start = [], 0
    for count in channels:
        middle = start + 2 * count
        end = middle + count * sum(comparisons.ERRORS_PER_CHANNEL[name] for name in names)
        levels.append((description[..., start:middle], description[..., middle:end]))
        start = end
    return levels


def _structure(
    a: jax.Array,
    b: jax.Array,
    reduce: Callable[[jax.Array], jax.Array],
    sizes: padded.Sizes,
) -> jax.Array:
    def local_mean(x: jax.Array) -> jax.Array:
        return _window_mean(reduce(x), sizes)

    floors = jnp.full(2 * a.shape[-1], STRUCTURE_FLOOR, jnp.float32)
    return padded.clear(comparisons.structure_errors(a, b, floors, local_mean), sizes)


def _window_mean(x: jax.Array, sizes: padded.Sizes) -> jax.Array:
    """Means under the 3 x 3 binomial window, over what of it is inside the image."""
    inside = padded.clear(jnp.ones((*x.shape[:3], 1), x.dtype), sizes)
    total, share = (comparisons.window_sum(part, _WINDOW, "constant") for part in (x, inside))
    return total / jnp.maximum(share, 1 / 16)
