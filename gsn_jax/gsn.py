"""The Gradient Siamese Network (Cong et al., CVPR Workshops 2022).

    model = GSN(backbone=CDCN())
    model = GSN(backbone=VGG16(conv=functools.partial(CDConv, theta=0.7)))
    scores = model.apply(variables, reference, distorted)  # (N,), up = better

Both images pass one backbone of central difference convolutions. Spatial attention weights each
level. Features of the same level are fused, then the levels are. A map of local errors and a map of
weights give one score per image.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Shaped

from gsn_jax.backbones.cdcn import CDCN
from gsn_jax.backbones.convolution import context_convolution, layer
from gsn_jax.backbones.folding import fold
from gsn_jax.backbones.resampling import at_stride
from gsn_jax.fusion import WINDOW, LevelFusion
from gsn_jax.heads import IDENTITY_SCORE, AnchoredScores, attention_sizes, encode_pair
from gsn_jax.images.padded import Sizes, clear
from gsn_jax.layers import CDConv, SpatialAttention

__all__ = ["GSN", "fold"]

Features = Sequence[jax.Array]  # one (N, h, w, C) per level


class GSN(nn.Module):
    """Scores distorted images against their references; up = better.

    Scores are raw: the losses fix neither their offset nor their scale, and
    `gsn_jax.models.calibration` turns them into quality in [0, 1]. An identical pair has the
    highest score, `gsn_jax.heads.IDENTITY_SCORE`, by construction.

    Attributes:
        backbone: features of one image, see `gsn_jax.backbones`; its `conv` says whether its
            convolutions are central difference or plain.
        conv: the convolution of the cross-level fusion.
        attention: kernel size of the spatial attention per level, 0 for none. Where the backbone
            has more levels than sizes are given, the finest take the first size too.
        width: channels that each level is fused to.
        dtype: type of the attention's computation, float32 or bfloat16; the backbone has its own.
            Parameters, comparison and head are float32.
        hold_weights: whether gradients take the weight of an error for a constant; values stay the
            same. For losses: an image could otherwise hide its errors instead of having fewer.
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
        self.scorer = AnchoredScores()
        self.sensitivity = self.param("sensitivity", nn.initializers.constant(3.0), ())

    def __call__(
        self,
        reference: Float[Array, "n h w 3"],
        distorted: Float[Array, "n h w 3"],
        train: bool = False,
    ) -> Float[Array, " n"]:
        """Raw scores of sRGB images in [0, 1]. `train` changes nothing: there is no dropout.

        Raises:
            ValueError: the shapes differ or are not `(N, H, W, 3)`.
        """
        first, second = encode_pair(self.encode, reference, distorted)
        return self.finish(self.sums(first, second))

    def quality_map(
        self, reference: Float[Array, "n h w 3"], distorted: Float[Array, "n h w 3"]
    ) -> Float[Array, "n rows columns"]:
        """Raw local scores on the grid of the backbone's last level, up = better."""
        first, second = encode_pair(self.encode, reference, distorted)
        return self._sensed(self.error_map(first, second)[0])

    def encode(self, images: Float[Array, "n h w 3"], sizes: Sizes = None) -> Features:
        """Attended features of single images; with true `sizes` of the images alone."""
        levels = self.backbone(images) if sizes is None else self.backbone(images, sizes=sizes)
        return [
            level if attend is None else attend(level)
            for level, attend in zip(levels, self.attentions, strict=True)
        ]

    def error_map(
        self, reference: Features, distorted: Features, sizes: Sizes = None
    ) -> tuple[Float[Array, "n rows columns"], Float[Array, "n rows columns"]]:
        """Local errors >= 0, exactly 0 where the features agree, and their weights > 0."""
        fused = [
            fuse(first.astype(jnp.float32), second.astype(jnp.float32), sizes)
            for fuse, first, second in zip(self.levels, reference, distorted, strict=True)
        ]
        joints, errors = zip(*fused, strict=True)
        joint = jnp.concatenate(joints, axis=-1)
        joint = clear(joint, at_stride(sizes, self.backbone.strides[-1]))
        context = nn.relu(self.fusion(joint))
        if self.hold_weights:
            context = jax.lax.stop_gradient(context)
        return self.scorer(context, jnp.concatenate(errors, axis=-1))

    def sums(
        self,
        reference: Features,
        distorted: Features,
        sizes: Sizes = None,
        cells: Shaped[Array, "n rows columns"] | None = None,
    ) -> Float[Array, "n 2"]:
        """Sums over the error map that `finish` turns into scores: weighted errors, and weights.

        The sums of an image's tiles add up to those of the image, see `gsn_jax.scoring.tiles`.
        `cells` says which cells of the map to sum (bool), or how much each counts (floats in
        [0, 1]); None for all of them.
        """
        errors, weights = self.error_map(reference, distorted, sizes)
        if cells is not None:
            weights = weights * cells
        return jnp.stack([(errors * weights).sum(axis=(1, 2)), weights.sum(axis=(1, 2))], axis=-1)

    def finish(self, sums: Float[Array, "*batch 2"]) -> Float[Array, "*batch"]:
        """Raw scores of `sums`."""
        return self._sensed(sums[..., 0] / sums[..., 1])

    @property
    def reach(self) -> int | None:
        """Pixels beyond its own that a cell of the map sees; None where the backbone gives none."""
        backbone = self.backbone
        if backbone.reach is None:
            return None
        sizes = attention_sizes(self.attention, len(backbone.strides))
        levels = zip(backbone.reach, backbone.strides, sizes, strict=True)
        attended = max(reach + stride * (size // 2) for reach, stride, size in levels)
        # Fusion looks one cell around, the windows of texture some blocks of two.
        return attended + backbone.strides[-1] * (1 + 2 * (WINDOW // 2) + 1)

    def _sensed(self, errors: jax.Array) -> jax.Array:
        """Scores of errors, which run from 0 to infinity: logarithmic, as sensation is."""
        return IDENTITY_SCORE - jnp.log1p(errors * jnp.exp(self.sensitivity))
