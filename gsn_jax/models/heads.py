"""The parts of GSN after its trunk: fusing both images' features, and scoring what was fused."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from gsn_jax.backbones import cdcn
from gsn_jax.models import comparisons
from gsn_jax.models.descriptions import Level

# Makes the differences of averaged unit features about as large as the features.
_DIFFERENCE_GAIN = 5.0
_ERROR_EPSILON = 1e-4  # the root's slope at 0 would be infinite


class LevelFusion(nn.Module):
    """Fuses reference and distorted features of one level.

    Attributes:
        width: number of output channels.
        comparisons: those of `GSN`, none for a head that needs no errors.
        halvings: how often features and errors are halved in size before they are fused.
        even: start with all visibilities at 1, see `visibility`.
        channelwise: weight every channel's error by how visible it is, position by position, before
            positions are averaged and channels mixed. Without, the mixed errors alone are weighted,
            by `AnchoredScores`: what is left costs little beside the trunk.
        hold_weights: see `GSN`.
    """

    width: int
    comparisons: Sequence[str]
    halvings: int = 0
    even: bool = False
    channelwise: bool = True
    hold_weights: bool = False

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
        if self._needs_unit:  # so that any trunk will do
            pair = [comparisons.normalise_channels(features) for features in pair]
        errors = [self._errors(name, reference, distorted) for name in self.comparisons]
        if not self.channelwise:  # positions are averaged first: large arrays cost more than sums
            pair, errors = [reduce(part) for part in pair], [reduce(part) for part in errors]
        joint = nn.relu(nn.Dense(self.width, name="joint")(jnp.concatenate(pair, axis=-1)))
        if not self.comparisons:
            joint = reduce(joint) if self.channelwise else joint
            return joint, jnp.zeros_like(joint)
        error = jnp.concatenate(errors, axis=-1)
        mix = NonNegativeDense(self.width, name="mix")
        if not self.channelwise:
            return joint, mix(error)
        context = jax.lax.stop_gradient(joint) if self.hold_weights else joint
        visible = reduce(error * visibility(error.shape[-1], self.even)(context))
        return reduce(joint), mix(visible)

    @property
    def _needs_unit(self) -> bool:
        """Whether the features come with lengths that nothing has brought to a common unit."""
        return "structure" in self.comparisons or len(self.comparisons) > 1

    def _errors(self, comparison: str, a: jax.Array, b: jax.Array) -> jax.Array:
        channels = a.shape[-1]
        if comparison == "structure":
            floor = self._floor("structure_floor", 2 * channels)
            return comparisons.structure_errors(a, b, floor, self._local_mean)
        if comparison == "similarity":
            errors = comparisons.similarity_error(a, b, self._floor("floor", channels))
        elif comparison == "difference":
            errors = comparisons.absolute_error(a, b)
        else:
            if self._needs_unit:
                a, b = comparisons.normalise_channels(a), comparisons.normalise_channels(b)
            errors = comparisons.squared_error(a, b)
        return self._halved(errors)

    def _floor(self, name: str, channels: int) -> jax.Array:
        return nn.softplus(self.param(name, nn.initializers.constant(-3.0), (channels,)))

    def _local_mean(self, x: jax.Array) -> jax.Array:
        return comparisons.binomial_mean(self._halved(x))

    def _halved(self, x: jax.Array) -> jax.Array:
        for _ in range(self.halvings):
            x = cdcn.halve(x)
        return x


class GridFusion(nn.Module):
    """`LevelFusion` of what is averaged already, see `gsn_jax.models.descriptions`.

    Attributes:
        width: number of output channels.
    """

    width: int

    @nn.compact
    def __call__(
        self, level: Level, attend: Callable[[jax.Array], jax.Array] | None = None
    ) -> tuple[jax.Array, jax.Array]:
        """Joint features and non-negative errors, both `(N, h, w, width)`.

        Args:
            level: what was averaged.
            attend: spatial attention to the features of one image.
        """
        first, second, errors = level
        if attend is not None:
            first, second = attend(first), attend(second)
        # What happened to the image, not what it shows, or scenes would be learned by heart. As
        # parts of the features differences and errors would be too small to learn from.
        change = _DIFFERENCE_GAIN * (second - first)
        amount = jnp.sqrt(errors + _ERROR_EPSILON) - _ERROR_EPSILON**0.5
        seen = jnp.concatenate([change, amount], axis=-1)
        joint = nn.relu(nn.Dense(self.width, name="joint")(seen))
        return joint, NonNegativeDense(self.width, name="mix")(errors)


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


def scaled(dense: Mapping[str, jax.Array], factors: jax.Array) -> dict[str, jax.Array]:
    """Parameters of a `NonNegativeDense` whose weights of input c are `factors[c]` times larger.

    Args:
        dense: parameters, `{"kernel": (C, features)}`.
        factors: positive, `(C,)`.
    """
    weights = nn.softplus(dense["kernel"]) * jnp.asarray(factors)[:, None]
    return {"kernel": weights + jnp.log(-jnp.expm1(-weights))}  # softplus's inverse, stable


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


class WholeScore(nn.Module):
    """The error of a whole image, compressed as sensation does; 0 where there is none.

    Attributes:
        width: number of sums of errors that the context can tell apart.
    """

    width: int

    @nn.compact
    def __call__(self, context: jax.Array, errors: jax.Array) -> jax.Array:
        """Maps what surrounds them `(..., F)` and errors `(..., E)` to `(...)`."""
        mixed = NonNegativeDense(self.width, name="mix")(errors)
        visible = mixed * visibility(self.width, even=True)(context)
        # Typical errors of DISTS, 0.05 to 0.4, become steps of quality from 0.3 to 1.4: from larger
        # ones a training first learns to hide them, and never finds them again.
        sensitivity = self.param("sensitivity", nn.initializers.constant(2.0), ())
        error = NonNegativeDense(1, name="sum")(visible)[..., 0]
        return jnp.log1p(error * jnp.exp(sensitivity))


class FreeScores(nn.Module):
    """Score map as an unconstrained function of the fused features."""

    @nn.compact
    def __call__(self, fused: jax.Array, errors: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Local scores and weights > 0, both `(N, h, w)`; `errors` is not used."""
        del errors
        scores = nn.Dense(1, name="score")(fused)
        weights = nn.softplus(nn.Dense(1, name="weight")(fused)) + 1e-3
        return scores[..., 0], weights[..., 0]
