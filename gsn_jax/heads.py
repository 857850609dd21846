"""What follows the backbone: fusing the features of a pair, and scoring what was fused."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gsn_jax.backbones.resampling import at_stride, reduce_to
from gsn_jax.images.padded import Sizes, clear

# Raw score of an identical pair: on the labels' scale, quality 1.
IDENTITY_SCORE = 1.0

# Cells along each side of the window whose texture and structure are compared: 80 pixels.
WINDOW = 5

# Makes changes, which are small, count about as much as the features beside them.
CHANGE_GAIN = 5.0

# In units of squared features, which are of the order of 1: below it differences count absolutely.
_FLOOR = 0.05
_EPSILON = 1e-4  # a root's slope at 0 would be infinite


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

        An error is 0 exactly where the features agree. There are three per channel: of the features
        themselves, and of the texture and structure of the window around each cell. The joint
        features say how visible each is there.
        """
        channels = reference.shape[-1]
        start = nn.initializers.constant(float(np.log(np.expm1(_FLOOR))))
        floors = nn.softplus(self.param("floor", start, (3, channels)))
        cells = functools.partial(reduce_to, stride=self.stride, target=self.target, sizes=sizes)
        means = [cells(reference), cells(distorted)]
        moments = [cells(x**2) for x in (reference, distorted, reference - distorted)]
        around = window_means([*means, *moments], at_stride(sizes, self.target))
        errors = jnp.concatenate(
            [
                cells(similarity_error(reference, distorted, floors[0])),
                *texture_and_structure_errors(around, floors[1], floors[2]),
            ],
            axis=-1,
        )
        joint = jnp.concatenate([*concatenated(*means), roots(errors)], axis=-1)
        joint = nn.relu(nn.Dense(self.width, name="joint")(joint))
        context = jax.lax.stop_gradient(joint) if self.hold_weights else joint
        visible = errors * visibility(errors.shape[-1], even=True)(context)
        return joint, NonNegativeDense(self.width, name="mix")(visible)


def concatenated(
    reference: Float[Array, "n h w c"], distorted: Float[Array, "n h w c"]
) -> tuple[jax.Array, jax.Array]:
    """The features of a level side by side, as the reference's and the change, both scaled."""
    energy = (reference**2 + distorted**2).mean(axis=-1, keepdims=True) / 2
    scale = 1 / jnp.sqrt(energy + _FLOOR)
    return reference * scale, CHANGE_GAIN * (distorted - reference) * scale


def roots(errors: jax.Array) -> jax.Array:
    """Errors on the scale of features, 0 for 0, with a finite slope there."""
    return jnp.sqrt(errors + _EPSILON) - _EPSILON**0.5


def window_means(cells: Sequence[jax.Array], sizes: Sizes = None) -> list[jax.Array]:
    """Means over the cells of the window around each cell, as far as it is inside the image.

    Args:
        cells: `(N, rows, columns, C)` each.
        sizes: true numbers of rows and columns, see `gsn_jax.images.padded`.
    """
    inside = clear(jnp.ones((*cells[0].shape[:3], 1)), sizes)
    count = _window_sums(inside)
    return [_window_sums(clear(x, sizes)) / jnp.maximum(count, 1) for x in cells]


def _window_sums(x: jax.Array) -> jax.Array:
    for axis in (1, 2):
        border = [(0, 0)] * 4
        border[axis] = (WINDOW // 2, WINDOW // 2)
        padded, length = jnp.pad(x, border), x.shape[axis]
        x = functools.reduce(
            jnp.add,
            [jax.lax.slice_in_dim(padded, i, i + length, axis=axis) for i in range(WINDOW)],
        )
    return x


def texture_and_structure_errors(
    means: Sequence[jax.Array],
    texture_floor: jax.Array | float,
    structure_floor: jax.Array | float,
) -> tuple[jax.Array, jax.Array]:
    """One minus DISTS's similarities (Ding et al., IEEE TPAMI 2022), without their cancellation.

    With means m, variances v and the variance v_d of the difference, the texture error is
    (m_a - m_b)^2 / (m_a^2 + m_b^2 + c1) and the structure error v_d / (v_a + v_b + c2), both from
    0 to 2.

    Args:
        means: of a, b, a^2, b^2 and (a - b)^2.
        texture_floor: c1, one number or one per channel.
        structure_floor: c2.
    """
    a, b, a_squared, b_squared, difference_squared = means
    # Rounding may leave a variance just below 0.
    difference = jnp.maximum(difference_squared - (a - b) ** 2, 0)
    variances = jnp.maximum(a_squared - a**2, 0) + jnp.maximum(b_squared - b**2, 0)
    return similarity_error(a, b, texture_floor), difference / (variances + structure_floor)


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
