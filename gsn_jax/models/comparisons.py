"""How an anchored GSN compares features of two images: errors >= 0, exactly 0 where they agree.

Every function takes two `(N, h, w, C)` arrays and gives errors per channel, symmetric in both, with
finite gradients at equal features. Sums over channels are matrix products and sums over windows are
sums of shifted planes: on a CPU XLA reduces along an axis several times more slowly.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
from jax import lax

# How many errors each comparison gives per channel; "structure" gives those of texture too.
ERRORS_PER_CHANNEL = {"similarity": 1, "difference": 1, "normalized": 1, "structure": 2}

_BINOMIAL = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)


def similarity_error(a: jax.Array, b: jax.Array, floor: jax.Array) -> jax.Array:
    """(a - b)^2 / (a^2 + b^2 + floor), from 0 to 2: SSIM's and GMSD's form, which knows masking.

    Args:
        a: features `(N, h, w, C)`.
        b: as `a`.
        floor: positive, `(C,)`: below it differences count absolutely.
    """
    return (a - b) ** 2 / (a**2 + b**2 + floor)


def absolute_error(a: jax.Array, b: jax.Array) -> jax.Array:
    """|a - b|, smooth at 0, where its gradient would jump."""
    return jnp.sqrt((a - b) ** 2 + 1e-6) - 1e-3


def squared_error(a: jax.Array, b: jax.Array) -> jax.Array:
    """(a - b)^2; a weighted sum of it over channels of `normalise_channels` is LPIPS."""
    return (a - b) ** 2


def structure_errors(
    a: jax.Array,
    b: jax.Array,
    floors: jax.Array,
    local_mean: Callable[[jax.Array], jax.Array],
) -> jax.Array:
    """DISTS (Ding et al., IEEE TPAMI 2022) within windows: errors of texture and structure.

    Args:
        a: features `(N, H, W, C)`.
        b: as `a`.
        floors: see `moment_errors`.
        local_mean: linear mean over windows, `(N, H, W, C)` to `(N, h, w, C)`.

    Returns:
        `(N, h, w, 2 C)`, see `moment_errors`.
    """
    return moment_errors(moments(a, b, local_mean), floors)


def moments(
    a: jax.Array, b: jax.Array, mean: Callable[[jax.Array], jax.Array]
) -> tuple[jax.Array, ...]:
    """Means of a, b, a^2, b^2 and (a - b)^2: all that texture and structure depend on."""
    return tuple(mean(x) for x in (a, b, a**2, b**2, (a - b) ** 2))


def moment_errors(means: Sequence[jax.Array], floors: jax.Array) -> jax.Array:
    """Errors of texture and structure: one minus DISTS's similarities, without their cancellation.

    With means m, variances v and the variance v_d of the difference, the texture error is
    (m_a - m_b)^2 / (m_a^2 + m_b^2 + c1) and the structure error v_d / (v_a + v_b + c2).

    Args:
        means: what `moments` gives, `(..., C)` each.
        floors: c1 of all channels, then c2, positive, `(2 C,)`.

    Returns:
        Texture errors of all channels, then structure errors, `(..., 2 C)`; both from 0 to 2.
    """
    a, b, a_squared, b_squared, difference_squared = means
    apart = (a - b) ** 2
    # Rounding may leave a variance just below 0.
    difference = jnp.maximum(difference_squared - apart, 0)
    variances = jnp.maximum(a_squared - a**2, 0) + jnp.maximum(b_squared - b**2, 0)
    texture_floor, structure_floor = jnp.split(floors, 2)
    texture = apart / (a**2 + b**2 + texture_floor)
    return jnp.concatenate([texture, difference / (variances + structure_floor)], axis=-1)


def normalise_channels(x: jax.Array) -> jax.Array:
    """`x` `(N, h, w, C)` with a root mean square of 1 over the channels of each position.

    As in LPIPS (Zhang et al., CVPR 2018), times sqrt(C); a position without any response stays 0,
    with a finite gradient.
    """
    channels = x.shape[-1]
    ones = jnp.ones((channels, 1), x.dtype)
    energy = jnp.matmul(x**2, ones, precision=lax.Precision.HIGHEST)
    silent = energy == 0
    norm = jnp.where(silent, 1.0, jnp.sqrt(jnp.where(silent, 1.0, energy)))
    return x * (channels**0.5 / (norm + 1e-10))


def binomial_mean(x: jax.Array) -> jax.Array:
    """Means of `(N, h, w, C)` under the 5 x 5 binomial window; edges are repeated beyond it."""
    return window_sum(x, _BINOMIAL, "edge")


def window_sum(x: jax.Array, weights: Sequence[float], beyond: str) -> jax.Array:
    """Sums of `(N, h, w, C)` under a window, the outer product of odd `weights` with themselves.

    Args:
        x: what to sum.
        weights: along each axis.
        beyond: what is beyond the edges, a mode of `jnp.pad`: "edge" or "constant", zeros.
    """
    reach = len(weights) // 2
    for axis in (1, 2):
        padding = [(0, 0)] * 4
        padding[axis] = (reach, reach)
        padded, length = jnp.pad(x, padding, mode=beyond), x.shape[axis]
        x = sum(
            weight * lax.slice_in_dim(padded, start, start + length, axis=axis)
            for start, weight in enumerate(weights)
        )
    return x
