"""The Gradient Siamese Network (Cong et al., CVPR Workshops 2022).

    model = GSN(backbone=CDCN())
    model = GSN(backbone=VGG16(conv=functools.partial(CDConv, theta=0.7)))
    scores = model.apply(variables, reference, distorted)  # (N,), up = better

Both images pass through one backbone of central difference convolutions, which stress gradients.
Spatial attention weights each level. The features of each level are fused, then all levels. A map
of local errors, a map of weights and a global branch give one score per image.

The poster has the backbone, the attention, both fusions and the map with its weights. The form of
the errors, which are exactly 0 where features agree (`gsn_jax.fusion`), and the global branch,
which compares texture and structure as DISTS does (`gsn_jax.heads`), are this project's.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Shaped

from gsn_jax.backbones.cdcn import CDCN
from gsn_jax.backbones.convolution import context_convolution, layer
from gsn_jax.backbones.folding import fold
from gsn_jax.backbones.padded import Sizes, at_stride, clear
from gsn_jax.fusion import MEANS, WINDOW, LevelFusion, global_errors, spread
from gsn_jax.heads import (
    GLOBAL_SHARE,
    ErrorMap,
    GlobalBranch,
    attention_sizes,
    drawn_share,
    encode_pair,
    raw_scores,
    weighted_sums,
)
from gsn_jax.layers import CDConv, SpatialAttention

__all__ = ["GSN", "fold"]

Features = Sequence[jax.Array]  # one (N, h, w, C) per level


class Comparison(NamedTuple):
    """The comparison of a pair, on the grid of the backbone's last level.

    Attributes:
        errors: local errors >= 0, exactly 0 where the features agree.
        weights: their weights > 0.
        context: fused features of all levels.
        means: each of the `gsn_jax.fusion.MEANS` statistics of a level, for all levels.
    """

    errors: Float[Array, "n rows columns"]
    weights: Float[Array, "n rows columns"]
    context: Float[Array, "n rows columns f"]
    means: list[tuple[Float[Array, "n rows columns c"], ...]]


class GSN(nn.Module):
    """Scores distorted images against their references; up = better.

    Scores are raw: `gsn_jax.losses.gsn_loss` does not fix their offset, and
    `gsn_jax.models.calibration` maps them to quality in [0, 1]. An identical pair has the highest
    score, `gsn_jax.heads.IDENTITY_SCORE`, by construction.

    Attributes:
        backbone: extracts the features of one image, see `gsn_jax.backbones`; its `conv` decides
            whether its convolutions are central difference or plain.
        conv: the convolution of the cross-level fusion.
        attention: kernel size of the spatial attention per level, 0 for none. If there are fewer
            sizes than levels, the first size is also used for the finest levels.
        width: channels that each level is fused to.
        dtype: type of the attention's computation, float32 or bfloat16; the backbone has its own.
            Parameters, comparison and head are float32.
        hold_weights: whether gradients treat the weights of errors as constant (stop_gradient);
            values stay the same. For use as a loss: an optimised image could otherwise hide its
            errors instead of reducing them.
        remat: recompute the fusion of each level in the backward pass instead of storing it.
    """

    backbone: nn.Module = dataclasses.field(default_factory=CDCN)
    conv: Callable[..., nn.Module] = CDConv
    attention: Sequence[int] = (7, 5, 3)  # CDCN++
    width: int = 32
    dtype: Any = jnp.float32
    hold_weights: bool = False
    remat: bool = False

    def setup(self) -> None:
        """Builds attention, fusion and head."""
        strides = self.backbone.strides
        self.attentions = [
            SpatialAttention(size, dtype=self.dtype, conv_general_dilated_cls=context_convolution)
            if size
            else None
            for size in attention_sizes(self.attention, len(strides))
        ]
        level_fusion = nn.remat(LevelFusion) if self.remat else LevelFusion
        self.levels = [
            level_fusion(self.width, stride, strides[-1], self.hold_weights) for stride in strides
        ]
        self.fusion = layer(self.conv, 2 * self.width)
        self.scorer = ErrorMap()
        self.whole = GlobalBranch(self.width)
        self.sensitivity = self.param("sensitivity", nn.initializers.constant(3.0), ())

    def __call__(
        self,
        reference: Float[Array, "n h w 3"],
        distorted: Float[Array, "n h w 3"],
        train: bool = False,
    ) -> Float[Array, " n"]:
        """Raw scores of sRGB images in [0, 1].

        With `train`, the share of the global branch is drawn from the random stream "share", see
        `gsn_jax.heads.drawn_share`.

        Raises:
            ValueError: the shapes differ or are not `(N, H, W, 3)`.
        """
        first, second = encode_pair(self.encode, reference, distorted)
        return self.finish(self.sums(first, second), train)

    def quality_map(
        self, reference: Float[Array, "n h w 3"], distorted: Float[Array, "n h w 3"]
    ) -> Float[Array, "n rows columns"]:
        """Raw local scores on the grid of the backbone's last level, up = better.

        In every cell, the global error counts as much as the cell's own.
        """
        pair = self.compare(*encode_pair(self.encode, reference, distorted))
        maps = pair.context, *itertools.chain(*pair.means)
        context, *means = (x.mean(axis=(1, 2)) for x in maps)
        whole = self._judge_whole(context, jnp.concatenate(means, axis=-1))
        return raw_scores(pair.errors, whole[:, None, None], self.sensitivity)

    def encode(self, images: Float[Array, "n h w 3"], sizes: Sizes = None) -> Features:
        """Attended features of single images; `sizes` are the true sizes of padded images."""
        levels = self.backbone(images, sizes=sizes)
        return [
            level if attend is None else attend(level)
            for level, attend in zip(levels, self.attentions, strict=True)
        ]

    def compare(self, reference: Features, distorted: Features, sizes: Sizes = None) -> Comparison:
        """Compares the features of a pair, from `encode`."""
        levels = [
            fuse(first.astype(jnp.float32), second.astype(jnp.float32), sizes)
            for fuse, first, second in zip(self.levels, reference, distorted, strict=True)
        ]
        joint = jnp.concatenate([level.joint for level in levels], axis=-1)
        joint = clear(joint, at_stride(sizes, self.backbone.strides[-1]))
        context = nn.relu(self.fusion(joint))
        if self.hold_weights:
            context = jax.lax.stop_gradient(context)
        errors = jnp.concatenate([level.errors for level in levels], axis=-1)
        around = jnp.concatenate([level.errors_around for level in levels], axis=-1)
        errors = (errors + spread(around, errors.shape)) / 2
        means = list(zip(*(level.means for level in levels), strict=True))
        return Comparison(*self.scorer(context, errors), context, means)

    def sums(
        self,
        reference: Features,
        distorted: Features,
        sizes: Sizes = None,
        cells: Shaped[Array, "n rows columns"] | None = None,
    ) -> Float[Array, "n s"]:
        """Sums over the cells that `finish` turns into scores.

        The sums of an image's tiles add up to those of the image, see `gsn_jax.scoring.tiles`.
        `cells` selects the cells to sum (bool) or weights them (floats in [0, 1]); None for all.
        """
        pair = self.compare(reference, distorted, sizes)
        inside = jnp.ones(pair.errors.shape) if cells is None else cells.astype(jnp.float32)
        weights = pair.weights * inside
        parts = (pair.errors * weights, weights, inside)
        sums = [part.sum(axis=(1, 2), keepdims=True)[..., 0] for part in parts]
        maps = pair.context, *itertools.chain(*pair.means)
        sums += [weighted_sums(x, inside) for x in maps]
        return jnp.concatenate(sums, axis=-1)

    def finish(self, sums: Float[Array, "*batch s"], train: bool = False) -> Float[Array, "*batch"]:
        """Raw scores from the result of `sums`; `train` as in a call."""
        errors, weights, cells, others = jnp.split(sums, [1, 2, 3], axis=-1)
        context, means = jnp.split(others / cells, [2 * self.width], axis=-1)
        whole = self._judge_whole(context, means)
        share = drawn_share(self.make_rng("share")) if train else GLOBAL_SHARE
        return raw_scores((errors / weights)[..., 0], whole, self.sensitivity, share)

    @property
    def reach(self) -> int | None:
        """Extent of a map cell's receptive field beyond the cell, in pixels; None if unknown."""
        backbone = self.backbone
        if backbone.reach is None:
            return None
        sizes = attention_sizes(self.attention, len(backbone.strides))
        levels = zip(backbone.reach, backbone.strides, sizes, strict=True)
        attended = max(reach + stride * (size // 2) for reach, stride, size in levels)
        # The fusion sees one cell around. The windows of texture see `WINDOW // 2` blocks of two
        # cells around, and the other cell of their own block.
        return attended + backbone.strides[-1] * (1 + 2 * (WINDOW // 2) + 1)

    def _judge_whole(self, context: jax.Array, means: jax.Array) -> jax.Array:
        return self.whole(context, global_errors(jnp.split(means, MEANS, axis=-1)))
