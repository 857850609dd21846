"""Pooling under a mask: scores from local values and a weight for each of them.

The functions of a metric's `masked` (see `gsn_jax.metric.FunctionMetric`) take one pair `(H, W, 3)`
and weights in [0, 1] on the grid of the metric's map, and give a score.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
from jaxtyping import Array, Float

from gsn_jax.metrics import finite, reductions


def mean_of(local: Callable[..., jax.Array], best: float = 0.0) -> Callable[..., jax.Array]:
    """The `masked` of a metric that is the mean of its map.

    Args:
        local: the metric's `map_function`.
        best: its value where both images are equal, which the mean keeps exactly.
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
    """Weighted standard deviation; with weights of 0 and 1 that of the values where they are 1.

    Args:
        values: the values.
        weights: not all 0.
        unbiased: whether to divide by W - sum(weights^2) / W in place of W = sum(weights); with
            weights of 0 and 1 that is n - 1. The deviation of a single value is 0.
    """
    total = reductions.total(weights)
    squares = (values - reductions.weighted_mean(values, weights)) ** 2
    count = total - reductions.total(weights**2) / total if unbiased else total
    return finite.sqrt(finite.divide(reductions.total(squares * weights), count, 0.0))
