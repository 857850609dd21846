"""The heads of the networks: errors and weights of the score map, the global branch, and scores."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

# Raw score of an identical pair; on the scale of the labels, quality 1.
IDENTITY_SCORE = 1.0

# Share of the global branch in a score; the rest is that of the error map.
GLOBAL_SHARE = 0.5


def encode_pair(
    encode: Callable[[jax.Array], Sequence[jax.Array]], reference: jax.Array, distorted: jax.Array
) -> tuple[list[jax.Array], list[jax.Array]]:
    """Features of both images of every pair, from one pass over all images.

    The images of a pair are neighbours in the batch, so that both stay on one device when the
    batch is sharded.

    Raises:
        ValueError: the shapes differ or are not `(N, H, W, 3)`.
    """
    if reference.shape != distorted.shape or reference.ndim != 4:
        raise ValueError(
            "reference and distorted must have the same shape (N, H, W, 3), got "
            f"{reference.shape} and {distorted.shape}"
        )
    images = jnp.stack([reference, distorted], axis=1).reshape(-1, *reference.shape[1:])
    pairs = [level.reshape(-1, 2, *level.shape[1:]) for level in encode(images)]
    return [pair[:, 0] for pair in pairs], [pair[:, 1] for pair in pairs]


def attention_sizes(sizes: Sequence[int], levels: int) -> tuple[int, ...]:
    """One kernel size per level; a shorter list repeats its first size for the finest levels."""
    if not 0 < len(sizes) <= levels:
        raise ValueError(f"attention needs 1 to {levels} kernel sizes (0 for none), got {sizes}")
    return (sizes[0],) * (levels - len(sizes)) + tuple(sizes)


class ErrorMap(nn.Module):
    """Sums the errors of all levels, weighted by their context; 0 where there is no error.

    At initialisation, all weights are equal.
    """

    @nn.compact
    def __call__(
        self, context: Float[Array, "n h w f"], errors: Float[Array, "n h w e"]
    ) -> tuple[Float[Array, "n h w"], Float[Array, "n h w"]]:
        """Local errors >= 0 and weights > 0."""
        visible = errors * visibility(errors.shape[-1])(context)
        scores = NonNegativeDense(1, name="sum")(visible)
        weigh = nn.Dense(1, kernel_init=nn.initializers.zeros, name="weight")
        weights = nn.softplus(weigh(context)) + 1e-3
        return scores[..., 0], weights[..., 0]


class GlobalBranch(nn.Module):
    """The global error of an image on a logarithmic scale; 0 if there is none.

    Attributes:
        width: number of mixtures of errors, each with a gate that depends on the context.
    """

    width: int

    @nn.compact
    def __call__(
        self, context: Float[Array, "*batch f"], errors: Float[Array, "*batch e"]
    ) -> Float[Array, "*batch"]:
        """Mixes the texture and structure errors, gated by the mean context of the image."""
        mixed = NonNegativeDense(self.width, name="mix")(errors)
        visible = mixed * visibility(self.width)(context)
        # Maps typical errors of DISTS, 0.05 to 0.4, to 0.3 to 1.4. With larger values, training
        # first learns to hide the errors, and never recovers.
        sensitivity = self.param("sensitivity", nn.initializers.constant(2.0), ())
        error = NonNegativeDense(1, name="sum")(visible)[..., 0]
        return jnp.log1p(error * jnp.exp(sensitivity))


def raw_scores(
    errors: Float[Array, "*batch"],
    overall: Float[Array, "*batch"],
    sensitivity: Float[Array, ""],
    share: jax.Array | float = GLOBAL_SHARE,
) -> Float[Array, "*batch"]:
    """Raw scores, `IDENTITY_SCORE` where there is no error.

    Args:
        errors: errors of the map, from 0 to infinity; they count on a logarithmic scale, as
            perception does.
        overall: errors of the global branch, already on a logarithmic scale.
        sensitivity: logarithm of the factor that the errors of the map are multiplied by.
        share: share of the global branch in the score.
    """
    local = jnp.log1p(errors * jnp.exp(sensitivity))
    return IDENTITY_SCORE - (local + share * (overall - local))


def drawn_share(key: jax.Array) -> Float[Array, ""]:
    """A random share of the global branch for a training step: 0, 1/2 or 1.

    Each branch thus learns to judge alone. Otherwise the one that learns faster, which need not
    generalise better, would leave the other nothing to learn. All pairs of a batch have the same
    share, so that their scores are comparable.
    """
    return jax.random.randint(key, (), 0, 3) / 2


def visibility(channels: int, name: str = "visibility") -> Callable[[jax.Array], jax.Array]:
    """A gate: a layer that gives a factor from 0 to 2 per channel, 1 at initialisation."""
    dense = nn.Dense(channels, kernel_init=nn.initializers.zeros, name=name)
    return lambda x: 2 * nn.sigmoid(dense(x))


class NonNegativeDense(nn.Module):
    """A linear map over channels with non-negative weights: no error can offset another.

    Attributes:
        features: number of output channels.
    """

    features: int

    @nn.compact
    def __call__(self, x: Float[Array, "*batch c"]) -> Float[Array, "*batch features"]:
        """Mixes the channels."""
        raw = self.param("kernel", _near_mean_init, (x.shape[-1], self.features))
        return x @ positive(raw)


def positive(raw: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """log(1 + exp(raw)), softplus, for parameters: positive numbers from any below 88.

    `flax.linen.softplus` has no such limit, but takes XLA ten times as long to compile on a CPU.
    """
    return jnp.log1p(jnp.exp(raw))


def scaled(dense: Mapping[str, jax.Array], factors: Float[Array, " c"]) -> dict[str, jax.Array]:
    """Parameters of a `NonNegativeDense` with the weights of input c multiplied by `factors[c]`.

    Args:
        dense: parameters, `{"kernel": (C, features)}`.
        factors: positive.
    """
    weights = positive(dense["kernel"]) * jnp.asarray(factors)[:, None]
    return {"kernel": weights + jnp.log(-jnp.expm1(-weights))}  # softplus's inverse, stable


def weighted_sums(
    x: Float[Array, "n h w c"], weights: Float[Array, "n h w"]
) -> Float[Array, "n c"]:
    """Weighted sums over positions.

    Computed as a matrix product, which on a CPU is several times as fast as XLA's sum.
    """
    batch, height, width, channels = x.shape  # may be symbolic, so -1 is avoided below
    row = weights.reshape(batch, 1, height * width)
    columns = x.reshape(batch, height * width, channels)
    return jnp.matmul(row, columns, precision=jax.lax.Precision.HIGHEST)[:, 0]


def _near_mean_init(key: jax.Array, shape: Sequence[int], dtype: Any = jnp.float32) -> jax.Array:
    """`positive` of this is near 1 / inputs: the layer starts as a mean, with some spread."""
    inverse_softplus = jnp.log(jnp.expm1(1.0 / shape[0]))
    return inverse_softplus + 0.5 * jax.random.normal(key, shape, dtype)
