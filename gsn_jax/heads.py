"""The parts of GSN after its trunk: fusing both images' features, and scoring what was fused."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp


class LevelFusion(nn.Module):
    """Fuses reference and distorted features of one level.

    Attributes:
        width: number of output channels.
        comparison: "similarity", "difference" (see `GSN`) or "none".
    """

    width: int
    comparison: str

    @nn.compact
    def __call__(
        self,
        reference: jax.Array,
        distorted: jax.Array,
        reduce: Callable[[jax.Array], jax.Array] = lambda features: features,
    ) -> tuple[jax.Array, jax.Array]:
        """Joint features and non-negative errors, both `(N, h, w, width)`, after `reduce`.

        An error is 0 exactly where the features agree; the joint features say how visible each
        channel's difference is there. `reduce` averages positions; errors are averaged before
        channels are mixed, which is the same and costs less.
        """
        both = jnp.concatenate([reference, distorted], axis=-1)
        joint = nn.relu(nn.Dense(self.width, name="joint")(both))
        if self.comparison == "none":
            joint = reduce(joint)
            return joint, jnp.zeros_like(joint)
        channels = reference.shape[-1]
        squared = (reference - distorted) ** 2
        if self.comparison == "similarity":
            floor = nn.softplus(self.param("floor", nn.initializers.constant(-3.0), (channels,)))
            difference = squared / (reference**2 + distorted**2 + floor)
        else:  # smooth at 0, where the gradient of |a - b| jumps
            difference = jnp.sqrt(squared + 1e-6) - 1e-3
        visibility = 2 * nn.sigmoid(nn.Dense(channels, name="visibility")(joint))
        visible = reduce(difference * visibility)
        return reduce(joint), NonNegativeDense(self.width, name="mix")(visible)


class NonNegativeDense(nn.Module):
    """A linear map over channels with non-negative weights: no error can excuse another.

    Attributes:
        features: number of output channels.
    """

    features: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Maps `(..., C)` to `(..., features)`."""
        raw = self.param("kernel", _near_mean_init, (x.shape[-1], self.features))
        return x @ nn.softplus(raw)


def _near_mean_init(key: jax.Array, shape: Sequence[int], dtype: Any = jnp.float32) -> jax.Array:
    """softplus of this is near 1 / inputs: the layer starts as a mean, with some spread."""
    inverse_softplus = jnp.log(jnp.expm1(1.0 / shape[0]))
    return inverse_softplus + 0.5 * jax.random.normal(key, shape, dtype)


class AnchoredScores(nn.Module):
    """Score map as a sum of errors weighted by what surrounds them; 0 where there is none."""

    @nn.compact
    def __call__(self, fused: jax.Array, errors: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Local errors >= 0 and weights > 0, both `(N, h, w)`."""
        visibility = 2 * nn.sigmoid(nn.Dense(errors.shape[-1], name="visibility")(fused))
        scores = NonNegativeDense(1, name="sum")(errors * visibility)
        weights = nn.softplus(nn.Dense(1, name="weight")(fused)) + 1e-3
        return scores[..., 0], weights[..., 0]


class FreeScores(nn.Module):
    """Score map as an unconstrained function of the fused features."""

    @nn.compact
    def __call__(self, fused: jax.Array, errors: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Local scores and weights > 0, both `(N, h, w)`; `errors` is not used."""
        del errors
        scores = nn.Dense(1, name="score")(fused)
        weights = nn.softplus(nn.Dense(1, name="weight")(fused)) + 1e-3
        return scores[..., 0], weights[..., 0]
