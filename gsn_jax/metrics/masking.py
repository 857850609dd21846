"""Pooling under a mask: scores from weighted local values.

A metric's `masked` function (see `gsn_jax.metric.FunctionMetric`) takes one pair `(H, W, 3)` and
weights in [0, 1] on the grid of the metric's map, and returns a score.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
from jaxtyping import Array, Float

from gsn_jax.metrics import finite, reductions


def mean_of(local: Callable[..., jax.Array], best: float = 0.0) -> Callable[..., jax.Array]:
    """The `masked` function of a metric that is the mean of its map.

    Args:
        local: the metric's `map_function`.
        best: its value where both images are equal. Equal images score exactly that.
    """
    return functools.partial(_mean, local, best)


def _mean(
    local: Callable[..., jax.Array],
    best: float,
    reference: jax.Array,
    distorted: jax.Array,
    weights: jax.Array,
    **options: Any,
) -> jax.Array:
    loss = best - local(reference, distorted, **options)
    return best - reductions.weighted_mean(loss, weights)


def deviation(
    values: Float[Array, "h w"], weights: Float[Array, "h w"], *, unbiased: bool
) -> Float[Array, ""]:
    """Weighted standard deviation; weights of 0 and 1 select the values at the ones.

    Args:
        values: the values.
        weights: not all 0.
        unbiased: whether to divide by W - sum(weights^2) / W instead of W = sum(weights). With
            weights of 0 and 1 that is n - 1. The deviation of a single value is 0.
    """
    total = reductions.total(weights)
    squares = (values - reductions.weighted_mean(values, weights)) ** 2
    count = total - reductions.total(weights**2) / total if unbiased else total
    return finite.sqrt(finite.divide(reductions.total(squares * weights), count, 0.0))
