"""What follows the backbone: fusing the features of a pair, and scoring what was fused."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gsn_jax.backbones.resampling import reduce_to
from gsn_jax.images.padded import Sizes

# Raw score of an identical pair: on the labels' scale, quality 1.
IDENTITY_SCORE = 1.0

# Finer levels are compared at their own stride but fused at this one: they have as many channels,
# and weighting their errors pixel by pixel would cost more than the backbone.
FUSION_STRIDE = 4


def encode_pair(
    encode: Callable[[jax.Array], Sequence[jax.Array]], reference: jax.Array, distorted: jax.Array
) -> tuple[list[jax.Array], list[jax.Array]]:
    """Features of both images of every pair, from one pass over all images.

    The images of a pair are neighbours in the batch, so that both stay on one device when the
    batch is divided.

    Raises:
        ValueError: the shapes differ or are not `(N, H, W, 3)`.
    """
    if reference.shape != distorted.shape or reference.ndim != 4:
        raise ValueError(
            "reference and distorted must have one shape (N, H, W, 3), got "
            f"{reference.shape} and {distorted.shape}"
        )
    images = jnp.stack([reference, distorted], axis=1).reshape(-1, *reference.shape[1:])
    pairs = [level.reshape(-1, 2, *level.shape[1:]) for level in encode(images)]
    return [pair[:, 0] for pair in pairs], [pair[:, 1] for pair in pairs]


def attention_sizes(sizes: Sequence[int], levels: int) -> tuple[int, ...]:
    """One kernel size per level; too short a list repeats its first size for the finest levels."""
    if not 0 < len(sizes) <= levels:
        raise ValueError(f"attention needs 1 to {levels} kernel sizes (0: none), got {sizes}")
    return (sizes[0],) * (levels - len(sizes)) + tuple(sizes)


def similarity_error(
    a: Float[Array, "*batch c"], b: Float[Array, "*batch c"], floor: jax.Array | float
) -> Float[Array, "*batch c"]:
    """(a - b)^2 / (a^2 + b^2 + floor), from 0 to 2: the form of SSIM and GMSD, with masking.

    Below the positive `floor`, of one number or one per channel, differences count absolutely.
    """
    return (a - b) ** 2 / (a**2 + b**2 + floor)


class LevelFusion(nn.Module):
    """Fuses reference and distorted features of one level.

    Attributes:
        width: number of output channels.
        stride: image pixels per feature of the level.
        target: stride of the result, that of the backbone's last level.
        hold_weights: see `gsn_jax.gsn.GSN`.
    """

    width: int
    stride: int
    target: int
    hold_weights: bool = False

    @nn.compact
    def __call__(
        self,
        reference: Float[Array, "n h w c"],
        distorted: Float[Array, "n h w c"],
        sizes: Sizes = None,
    ) -> tuple[jax.Array, jax.Array]:
        """Joint features and non-negative errors at the target stride, `(N, rows, columns, width)`.

        An error is 0 exactly where the features agree. The joint features say how visible each
        channel's error is there. Errors are averaged over positions before channels are mixed,
        which gives the same result at less cost.
        """
        fused_at = min(max(self.stride, FUSION_STRIDE), self.target)
        pair = [reduce_to(level, self.stride, fused_at, sizes) for level in (reference, distorted)]
        joint = nn.relu(nn.Dense(self.width, name="joint")(jnp.concatenate(pair, axis=-1)))
        floor = self.param("floor", nn.initializers.constant(-3.0), reference.shape[-1:])
        error = similarity_error(reference, distorted, nn.softplus(floor))
        error = reduce_to(error, self.stride, fused_at, sizes)
        context = jax.lax.stop_gradient(joint) if self.hold_weights else joint
        visible = error * visibility(error.shape[-1], even=False)(context)
        joint, visible = (
            reduce_to(part, fused_at, self.target, sizes) for part in (joint, visible)
        )
        return joint, NonNegativeDense(self.width, name="mix")(visible)


class AnchoredScores(nn.Module):
    """Sums the errors of all levels, weighted by their context; 0 where there is no error.

    Attributes:
        even: start with all visibilities at 1 and equal weights.
    """

    even: bool = False

    @nn.compact
    def __call__(
        self, context: Float[Array, "n h w f"], errors: Float[Array, "n h w e"]
    ) -> tuple[Float[Array, "n h w"], Float[Array, "n h w"]]:
        """Local errors >= 0 and weights > 0."""
        visible = errors * visibility(errors.shape[-1], self.even)(context)
        scores = NonNegativeDense(1, name="sum")(visible)
        start = nn.initializers.zeros if self.even else nn.initializers.lecun_normal()
        weights = nn.softplus(nn.Dense(1, kernel_init=start, name="weight")(context)) + 1e-3
        return scores[..., 0], weights[..., 0]


def visibility(channels: int, even: bool) -> Callable[[jax.Array], jax.Array]:
    """A layer that gives a factor from 0 to 2 per channel; with `even` all start at 1."""
    start = nn.initializers.zeros if even else nn.initializers.lecun_normal()
    dense = nn.Dense(channels, kernel_init=start, name="visibility")
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
        return x @ nn.softplus(raw)


def scaled(dense: Mapping[str, jax.Array], factors: Float[Array, " c"]) -> dict[str, jax.Array]:
    """Parameters of a `NonNegativeDense` with the weights of input c multiplied by `factors[c]`.

    Args:
        dense: parameters, `{"kernel": (C, features)}`.
        factors: positive.
    """
    weights = nn.softplus(dense["kernel"]) * jnp.asarray(factors)[:, None]
    return {"kernel": weights + jnp.log(-jnp.expm1(-weights))}  # softplus's inverse, stable


def _near_mean_init(key: jax.Array, shape: Sequence[int], dtype: Any = jnp.float32) -> jax.Array:
    """softplus of this is near 1 / inputs: the layer starts as a mean, with some spread."""
    inverse_softplus = jnp.log(jnp.expm1(1.0 / shape[0]))
    return inverse_softplus + 0.5 * jax.random.normal(key, shape, dtype)
