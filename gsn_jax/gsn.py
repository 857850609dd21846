"""The Gradient Siamese Network (Cong et al., CVPR Workshops 2022).

Both images pass one trunk of central difference convolutions with shared weights; spatial
attention weights each level; features of the same level are fused, then the levels are; a score
map with a weight map gives one score per image, and its spatial quality map.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax.core import FrozenDict

from gsn_jax import padded, trunks
from gsn_jax.heads import AnchoredScores, FreeScores, LevelFusion
from gsn_jax.layers import SpatialAttention, central_difference_kernel

Features = trunks.Features
Variables = Mapping[str, Any]

# Raw score of an identical pair under the anchored head: on the labels' scale, quality 1.
IDENTITY_SCORE = 1.0

HEADS = ("anchored", "free")
COMPARISONS = ("similarity", "difference")
POOLINGS = ("weighted", "mean")

# Side in pixels of a cell of the score map: the stride of the high level.
CELL = 16


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
        # The fourth argument, self counted, is a function.
        level_fusion = nn.remat(LevelFusion, static_argnums=3) if self.remat else LevelFusion
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

    def encode(
        self, images: jax.Array, train: bool = False, sizes: padded.Sizes = None
    ) -> Features:
        """Attended features of `(N, H, W, 3)` images; a reference needs this only once.

        With true `sizes` (see `gsn_jax.padded`) they are those of the images alone.
        """
        # The trunk rounds to its own type only after centring, or bfloat16 would merge grey levels.
        # A trunk that knows nothing of sizes is called without them.
        levels = (
            self.backbone(images, train)
            if sizes is None
            else self.backbone(images, train, sizes=sizes)
        )
        return tuple(
            level if attend is None else attend(level)
            for level, attend in zip(levels, self.attentions, strict=True)
        )

    def compare(self, reference: Features, distorted: Features, train: bool = False) -> jax.Array:
        """Raw scores `(N,)` from the features of both images."""
        return self.finish(self.sums(reference, distorted, train))

    def sums(
        self,
        reference: Features,
        distorted: Features,
        train: bool = False,
        sizes: padded.Sizes = None,
        core: jax.Array | None = None,
    ) -> jax.Array:
        """What `finish` turns into scores: sums `(N, 2)` of weighted local scores and of weights.

        The sums of an image's tiles add up to those of the image.

        Args:
            reference: features of the references, from `encode`.
            distorted: features of the distorted images.
            train: see `__call__`.
            sizes: true sizes of the images, see `gsn_jax.padded`.
            core: `(N, 4)`, the part of the score map to sum: first row, row after the last, first
                column, column after the last; None is all of it.
        """
        scores, weights = self._maps(reference, distorted, train, sizes)
        if self.pooling == "mean":
            weights = jnp.ones_like(weights)
        if core is not None:
            rows = jnp.arange(weights.shape[1])[None, :, None]
            columns = jnp.arange(weights.shape[2])[None, None, :]
            top, bottom, left, right = (core[:, i, None, None] for i in range(4))
            wanted = (rows >= top) & (rows < bottom) & (columns >= left) & (columns < right)
            weights = jnp.where(wanted, weights, 0)
        return jnp.stack([(scores * weights).sum(axis=(1, 2)), weights.sum(axis=(1, 2))], axis=-1)

    def finish(self, sums: jax.Array) -> jax.Array:
        """Raw scores `(...)` of `sums` `(..., 2)`."""
        return self._raw(sums[..., 0] / sums[..., 1])

    def quality_map(self, reference: jax.Array, distorted: jax.Array) -> jax.Array:
        """Raw local scores `(N, h, w)` on the grid of the high level, up = better."""
        scores, _ = self._maps(self.encode(reference), self.encode(distorted), False)
        return self._raw(scores)

    @property
    def reach(self) -> int | None:
        """Pixels beyond its own that a cell of the score map sees; None if the trunk says not."""
        trunk = trunks.get(self.trunk, **self.trunk_options)
        if not hasattr(trunk, "reach"):
            return None
        strides = (CELL // 4, CELL // 2, CELL)
        levels = zip(trunk.reach, strides, self.attention, strict=True)
        return max(reach + stride * (size // 2) for reach, stride, size in levels) + CELL

    def _maps(
        self,
        reference: Features,
        distorted: Features,
        train: bool,
        sizes: padded.Sizes = None,
    ) -> tuple[jax.Array, jax.Array]:
        """Local scores and their positive weights, both `(N, h, w)`, of the fused levels."""
        joints, errors = [], []
        sizes = padded.halved(sizes)
        for index, (fuse, a, b) in enumerate(zip(self.levels, reference, distorted, strict=True)):
            sizes = padded.halved(sizes)
            reduce = functools.partial(
                _halve_often, times=len(self.levels) - 1 - index, sizes=sizes
            )
            joint, error = fuse(a.astype(jnp.float32), b.astype(jnp.float32), reduce)
            joints.append(joint)
            errors.append(error)
        joint = padded.clear(jnp.concatenate(joints, axis=-1), sizes)
        return self.scorer(self.fusion(joint, train), jnp.concatenate(errors, axis=-1))

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


def _halve_often(x: jax.Array, times: int, sizes: padded.Sizes) -> jax.Array:
    for _ in range(times):
        x, sizes = trunks.halve(x, sizes), padded.halved(sizes)
    return x


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
    kernel = central_difference_kernel(params["cdc"]["kernel"], theta)
    xp = np if isinstance(kernel, np.ndarray) else jnp
    bias = params["cdc"].get("bias", xp.zeros(kernel.shape[-1], kernel.dtype))
    if "norm" in params:
        norm, running = params["norm"], stats["norm"]
        gain = norm["scale"] / xp.sqrt(running["var"] + trunks.BATCH_NORM_EPSILON)
        kernel = kernel * gain
        bias = (bias - running["mean"]) * gain + norm["bias"]
    return {"kernel": kernel, "bias": bias}


def fold(model: GSN, variables: Variables) -> tuple[GSN, dict[str, Any]]:
    """`model.fold(variables)`: the trained model in plain convolutions, with equal output."""
    return model.fold(variables)
