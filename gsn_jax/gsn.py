"""The Gradient Siamese Network (Cong et al., CVPR Workshops 2022).

Both images pass one trunk of central difference convolutions with shared weights; spatial
attention weights each level; features of the same level are fused, then the levels are; a score
map with a weight map gives one score per image, and its spatial quality map.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.core import FrozenDict

from gsn_jax import trunks
from gsn_jax.layers import SpatialAttention, central_difference_kernel

Features = trunks.Features
Variables = Mapping[str, Any]

# Raw score of an identical pair under the anchored head: on the labels' scale, quality 1.
IDENTITY_SCORE = 1.0

HEADS = ("anchored", "free")
COMPARISONS = ("similarity", "difference")
POOLINGS = ("weighted", "mean")


class GSN(nn.Module):
    """Scores distorted images against their references; up = better.

    `GSN(...).apply(variables, reference, distorted)` maps two `(N, H, W, 3)` arrays in [0, 1] to
    raw scores `(N,)`. The losses fix neither their offset nor their scale;
    `gsn_jax.calibration` turns them into quality in [0, 1].

    Attributes:
        trunk: name in `gsn_jax.trunks`.
        trunk_options: attributes of the trunk.
        theta: share of the central difference in trunk and fusion; 0 is the plain-CNN arm.
        norm: "none" or "batch", in trunk and fusion.
        attention: kernel size of the spatial attention per level, 0 for none; (7, 5, 3) is
            CDCN++'s.
        fusion_width: channels each level is fused to.
        head: "anchored" scores a non-negative error that vanishes where the features agree, so
            that an identical pair is best by construction, with raw score `IDENTITY_SCORE`.
            "free" regresses from the fused features alone, as far as the paper says what it does.
        comparison: how "anchored" measures the difference of two features a and b: "similarity"
            is (a - b)^2 / (a^2 + b^2 + c), the form of SSIM and GMSD, which knows masking;
            "difference" is |a - b|.
        pooling: "weighted" by a learned map, or "mean".
        dtype: type of the trunk's computation, float32 or bfloat16; parameters, comparison and
            head stay float32.
        remat: recompute every stage in the backward pass instead of storing it: less memory, one
            more forward pass.
        axis_name: mesh axis over which `shard_map` divides the batch; None under plain `jit`.
    """

    trunk: str = "cdcn"
    trunk_options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    theta: float = 0.7
    norm: str = "none"
    attention: Sequence[int] = (7, 5, 3)
    fusion_width: int = 32
    head: str = "anchored"
    comparison: str = "similarity"
    pooling: str = "weighted"
    dtype: Any = jnp.float32
    remat: bool = False
    axis_name: Any = None

    def __post_init__(self) -> None:
        """Freezes the settings, so that a model can be a static argument of a jitted function."""
        object.__setattr__(self, "trunk_options", FrozenDict(self.trunk_options))
        object.__setattr__(self, "attention", tuple(self.attention))
        super().__post_init__()

    def setup(self) -> None:
        """Builds trunk, attention, fusion and head."""
        for name, value, known in (
            ("head", self.head, HEADS),
            ("comparison", self.comparison, COMPARISONS),
            ("pooling", self.pooling, POOLINGS),
        ):
            if value not in known:
                raise ValueError(f"{name} must be one of {known}, got {value!r}")
        if len(self.attention) != 3:
            raise ValueError(f"attention needs three kernel sizes, got {self.attention}")
        options = {"theta": self.theta, "norm": self.norm, "dtype": self.dtype}
        if self.remat:
            options["remat"] = True
        self.backbone = trunks.get(
            self.trunk, axis_name=self.axis_name, **{**options, **self.trunk_options}
        )
        self.attentions = [
            SpatialAttention(size, dtype=self.dtype) if size else None for size in self.attention
        ]
        anchored = self.head == "anchored"
        level_fusion = nn.remat(LevelFusion) if self.remat else LevelFusion
        self.levels = [
            level_fusion(self.fusion_width, self.comparison if anchored else "none")
            for _ in self.attention
        ]
        self.fusion = trunks.CDCBlock(
            2 * self.fusion_width,
            theta=self.theta,
            norm=self.norm,
            axis_name=self.axis_name,
        )
        self.scorer = AnchoredScores() if anchored else FreeScores()
        self.sensitivity = self.param("sensitivity", nn.initializers.constant(3.0), ())

    def __call__(
        self, reference: jax.Array, distorted: jax.Array, train: bool = False
    ) -> jax.Array:
        """Raw scores `(N,)` of `(N, H, W, 3)` images in [0, 1], up = better.

        Args:
            reference: pristine images.
            distorted: images to judge.
            train: whether batch normalisation uses (and updates) the batch's statistics.

        Raises:
            ValueError: the shapes differ or are not `(N, H, W, 3)`.
        """
        if reference.shape != distorted.shape or reference.ndim != 4:
            raise ValueError(
                "reference and distorted must have one shape (N, H, W, 3), got "
                f"{reference.shape} and {distorted.shape}"
            )
        # One pass over both, so that batch statistics are shared too. The images of a pair are
        # neighbours: all first and then all second ones would change devices in a divided batch.
        images = jnp.stack([reference, distorted], axis=1).reshape(-1, *reference.shape[1:])
        pairs = [level.reshape(-1, 2, *level.shape[1:]) for level in self.encode(images, train)]
        first, second = (tuple(pair[:, index] for pair in pairs) for index in (0, 1))
        return self.compare(first, second, train)

    def encode(self, images: jax.Array, train: bool = False) -> Features:
        """Attended features of `(N, H, W, 3)` images; a reference needs this only once."""
        # The trunk rounds to its own type only after centring, or bfloat16 would merge grey levels.
        levels = self.backbone(images, train)
        return tuple(
            level if attend is None else attend(level)
            for level, attend in zip(levels, self.attentions, strict=True)
        )

    def compare(self, reference: Features, distorted: Features, train: bool = False) -> jax.Array:
        """Raw scores `(N,)` from the features of both images."""
        scores, weights = self._maps(reference, distorted, train)
        if self.pooling == "mean":
            weights = jnp.ones_like(weights)
        pooled = (scores * weights).sum(axis=(1, 2)) / weights.sum(axis=(1, 2))
        return self._raw(pooled)

    def quality_map(self, reference: jax.Array, distorted: jax.Array) -> jax.Array:
        """Raw local scores `(N, h, w)` on the grid of the high level, up = better."""
        scores, _ = self._maps(self.encode(reference), self.encode(distorted), False)
        return self._raw(scores)

    def _maps(
        self, reference: Features, distorted: Features, train: bool
    ) -> tuple[jax.Array, jax.Array]:
        """Local scores and their positive weights, both `(N, h, w)`, of the fused levels."""
        joints, errors = [], []
        for index, (fuse, a, b) in enumerate(zip(self.levels, reference, distorted, strict=True)):
            joint, error = fuse(a.astype(jnp.float32), b.astype(jnp.float32))
            for _ in range(len(self.levels) - 1 - index):
                joint, error = trunks.halve(joint), trunks.halve(error)
            joints.append(joint)
            errors.append(error)
        fused = self.fusion(jnp.concatenate(joints, axis=-1), train)
        return self.scorer(fused, jnp.concatenate(errors, axis=-1))

    def _raw(self, scores: jax.Array) -> jax.Array:
        """Compresses the anchored error, 0 to infinity, as sensation does."""
        if self.head == "free":
            return scores
        return IDENTITY_SCORE - jnp.log1p(scores * jnp.exp(self.sensitivity))

    def fold(self, variables: Variables) -> tuple[GSN, dict[str, Any]]:
        """The same function in plain convolutions: CDC and batch normalisation folded in.

        Args:
            variables: `{"params": ..., "batch_stats": ...}` of this model.

        Returns:
            A model with theta = 0 and no normalisation, and its variables; equal scores up to
            rounding.
        """
        model = self.clone(theta=0.0, norm="none", axis_name=None, parent=None)
        params = _fold(variables["params"], variables.get("batch_stats", {}), self.theta)
        return model, {"params": params}


class LevelFusion(nn.Module):
    """Fuses reference and distorted features of one level.

    Attributes:
        width: number of output channels.
        comparison: "similarity", "difference" (see `GSN`) or "none".
    """

    width: int
    comparison: str

    @nn.compact
    def __call__(self, reference: jax.Array, distorted: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Joint features and non-negative errors, both `(N, h, w, width)`.

        An error is 0 exactly where the features agree; the joint features say how visible each
        channel's difference is there.
        """
        both = jnp.concatenate([reference, distorted], axis=-1)
        joint = nn.relu(nn.Dense(self.width, name="joint")(both))
        if self.comparison == "none":
            return joint, jnp.zeros_like(joint)
        channels = reference.shape[-1]
        squared = (reference - distorted) ** 2
        if self.comparison == "similarity":
            floor = nn.softplus(self.param("floor", nn.initializers.constant(-3.0), (channels,)))
            difference = squared / (reference**2 + distorted**2 + floor)
        else:  # smooth at 0, where the gradient of |a - b| jumps
            difference = jnp.sqrt(squared + 1e-6) - 1e-3
        visibility = 2 * nn.sigmoid(nn.Dense(channels, name="visibility")(joint))
        return joint, NonNegativeDense(self.width, name="mix")(difference * visibility)


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


def _fold(params: Mapping[str, Any], stats: Mapping[str, Any], theta: float) -> dict[str, Any]:
    """Folds every block `{"cdc": ..., ["norm": ...]}` in a tree of parameters."""
    if "cdc" in params:
        return {"cdc": _fold_block(params, stats, theta)}
    return {
        name: _fold(child, stats.get(name, {}), theta) if isinstance(child, Mapping) else child
        for name, child in params.items()
    }


def _fold_block(
    params: Mapping[str, Any], stats: Mapping[str, Any], theta: float
) -> dict[str, jax.Array]:
    kernel = central_difference_kernel(jnp.asarray(params["cdc"]["kernel"]), theta)
    bias = params["cdc"].get("bias", jnp.zeros(kernel.shape[-1], kernel.dtype))
    if "norm" in params:
        norm, running = params["norm"], stats["norm"]
        gain = norm["scale"] / jnp.sqrt(running["var"] + trunks.BATCH_NORM_EPSILON)
        kernel = kernel * gain
        bias = (bias - running["mean"]) * gain + norm["bias"]
    return {"kernel": kernel, "bias": bias}


def fold(model: GSN, variables: Variables) -> tuple[GSN, dict[str, Any]]:
    """`model.fold(variables)`: the trained model in plain convolutions, with equal output."""
    return model.fold(variables)
