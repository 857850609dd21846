"""The parts of GSN after its trunk: fusing both images' features, and scoring what was fused."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from gsn_jax import comparisons, trunks


class LevelFusion(nn.Module):
    """Fuses reference and distorted features of one level.

    Attributes:
        width: number of output channels.
        comparison: "none", or what `GSN` says.
        halvings: how often features and errors are halved in size before they are fused.
        even: start with all visibilities at 1, see `visibility`.
    """

    width: int
    comparison: str
    halvings: int = 0
    even: bool = False

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
        pair = [self._halved(reference), self._halved(distorted)]
        if self.comparison == "structure":  # in a unit of their own, so that any trunk will do
            pair = [comparisons.normalise_channels(features) for features in pair]
        joint = nn.relu(nn.Dense(self.width, name="joint")(jnp.concatenate(pair, axis=-1)))
        if self.comparison == "none":
            joint = reduce(joint)
            return joint, jnp.zeros_like(joint)
        errors = self._errors(reference, distorted)
        visible = reduce(errors * visibility(errors.shape[-1], self.even)(joint))
        return reduce(joint), NonNegativeDense(self.width, name="mix")(visible)

    def _errors(self, a: jax.Array, b: jax.Array) -> jax.Array:
        channels = a.shape[-1]
        if self.comparison == "structure":
            return comparisons.structure_errors(a, b, self._floor(2 * channels), self._local_mean)
        if self.comparison == "similarity":
            errors = comparisons.similarity_error(a, b, self._floor(channels))
        elif self.comparison == "difference":
            errors = comparisons.absolute_error(a, b)
        else:
            errors = comparisons.squared_error(a, b)
        return self._halved(errors)

    def _floor(self, channels: int) -> jax.Array:
        return nn.softplus(self.param("floor", nn.initializers.constant(-3.0), (channels,)))

    def _local_mean(self, x: jax.Array) -> jax.Array:
        return comparisons.binomial_mean(self._halved(x))

    def _halved(self, x: jax.Array) -> jax.Array:
        for _ in range(self.halvings):
            x = trunks.halve(x)
        return x


def visibility(channels: int, even: bool) -> Callable[[jax.Array], jax.Array]:
    """Factors from 0 to 2 per channel; all 1 at the start where it is to be `even`."""
    start = nn.initializers.zeros if even else nn.initializers.lecun_normal()
    dense = nn.Dense(channels, kernel_init=start, name="visibility")
    return lambda x: 2 * nn.sigmoid(dense(x))


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
    """Score map as a sum of errors weighted by what surrounds them; 0 where there is none.

    Attributes:
        even: start with all visibilities at 1 and equal weights.
    """

    even: bool = False

    @nn.compact
    def __call__(self, fused: jax.Array, errors: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Local errors >= 0 and weights > 0, both `(N, h, w)`."""
        visible = errors * visibility(errors.shape[-1], self.even)(fused)
        scores = NonNegativeDense(1, name="sum")(visible)
        start = nn.initializers.zeros if self.even else nn.initializers.lecun_normal()
        weights = nn.softplus(nn.Dense(1, kernel_init=start, name="weight")(fused)) + 1e-3
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
