"""The model that ships as `gsn-b`: a learned head on frozen ImageNet features.

The backbone is not trained, so its convolutions are plain, and everything that depends only on the
images (`frozen_features`) can be stored before training. The head scores a local error map, as GSN
does, and also the texture of the whole image.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Shaped

from gsn_jax.backbones.convolution import context_convolution, layer
from gsn_jax.backbones.padded import Sizes, at_stride, clear
from gsn_jax.fusion import CHANGE_GAIN, MEANS, global_errors, roots
from gsn_jax.heads import (
    GLOBAL_SHARE,
    ErrorMap,
    GlobalBranch,
    NonNegativeDense,
    attention_sizes,
    drawn_share,
    encode_pair,
    raw_scores,
    weighted_sums,
)
from gsn_jax.layers import CDConv, SpatialAttention
from gsn_jax.models import frozen_features
from gsn_jax.models.frozen_features import LevelFeatures

Features = Sequence[jax.Array]  # one (N, h, w, C) per level


class FrozenFeatureModel(nn.Module):
    """Scores distorted images against their references; up = better.

    Scores are raw and at most `gsn_jax.heads.IDENTITY_SCORE`, that of an identical pair. Each is
    the mean of a score from the error map and one from the texture of the whole image.

    Attributes:
        backbone: frozen features of one image, see `gsn_jax.backbones`.
        conv: the convolution of the cross-level fusion, which is trained.
        attention: kernel size of the spatial attention per level, in cells; 0 for none.
        width: channels that each level is fused to.
        hold_weights: see `gsn_jax.gsn.GSN`.
    """

    backbone: nn.Module
    conv: Callable[..., nn.Module] = CDConv
    attention: Sequence[int] = (3,)
    width: int = 16
    hold_weights: bool = False

    # The parts of `sums` that are compiled separately, see `gsn_jax.scoring.tiles`.
    partial_sums = ("map_sums", "moment_sums")

    def setup(self) -> None:
        """Builds attention, fusion and head."""
        self.attentions = [
            SpatialAttention(size, conv_general_dilated_cls=context_convolution) if size else None
            for size in attention_sizes(self.attention, len(self.backbone.strides))
        ]
        self.levels = [CellFusion(self.width) for _ in self.backbone.strides]
        self.fusion = layer(self.conv, 2 * self.width)
        self.scorer = ErrorMap()
        self.sensitivity = self.param("sensitivity", nn.initializers.constant(3.0), ())
        self.whole = GlobalBranch(self.width)

    def __call__(
        self,
        reference: Float[Array, "n h w 3"],
        distorted: Float[Array, "n h w 3"],
        train: bool = False,
    ) -> Float[Array, " n"]:
        """Raw scores of sRGB images in [0, 1].

        Args:
            reference: pristine images.
            distorted: images to judge.
            train: see `score_features`.

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
        first, second = encode_pair(self.encode, reference, distorted)
        errors, _, context = self._error_map(self._level_features(first, second))
        whole = self.whole(context.mean(axis=(1, 2)), self._image_errors(first, second))
        return self._score(errors, whole[:, None, None])

    def encode(self, images: Float[Array, "n h w 3"], sizes: Sizes = None) -> Features:
        """Backbone features of single images; `sizes` are the true sizes of padded images."""
        return self.backbone(images, sizes=sizes)

    def features(self, reference: Features, distorted: Features) -> tuple[jax.Array, jax.Array]:
        """The inputs of the head: frozen features per cell, and errors of the whole image.

        Args:
            reference: features of the references, from `encode`.
            distorted: features of the distorted images.

        Returns:
            `cells` `(N, rows, columns, D)`, see `frozen_features`, and `whole` `(N, E)`, the errors
            of texture and structure.
        """
        cells = frozen_features.join_levels(self._level_features(reference, distorted))
        return cells, self._image_errors(reference, distorted)

    def score_features(
        self, cells: jax.Array, whole: jax.Array, train: bool = False
    ) -> Float[Array, " n"]:
        """Raw scores from stored `features`.

        With `train`, the share of the global branch is drawn from the random stream "share", see
        `gsn_jax.heads.drawn_share`.
        """
        levels = frozen_features.split_levels(cells, self.backbone.widths)
        errors, weights, context = self._error_map(levels)
        local = (errors * weights).sum(axis=(1, 2)) / weights.sum(axis=(1, 2))
        return self._score(local, self.whole(context.mean(axis=(1, 2)), whole), train)

    def sums(
        self,
        reference: Features,
        distorted: Features,
        sizes: Sizes = None,
        cells: Shaped[Array, "n rows columns"] | None = None,
    ) -> Float[Array, "n s"]:
        """Sums over the cells that `finish` turns into scores: those of `map_sums`, `moment_sums`.

        The sums of an image's tiles add up to those of the image, see `gsn_jax.scoring.tiles`.

        Args:
            reference: features of the references, from `encode`.
            distorted: features of the distorted images.
            sizes: true sizes of the images, see `gsn_jax.backbones.padded`.
            cells: cells to sum (bool), or weights of the cells (floats in [0, 1]); None for all.
        """
        parts = (self.map_sums, self.moment_sums)
        return jnp.concatenate([part(reference, distorted, sizes, cells) for part in parts], -1)

    def map_sums(
        self,
        reference: Features,
        distorted: Features,
        sizes: Sizes = None,
        cells: jax.Array | None = None,
    ) -> Float[Array, "n m"]:
        """Sums of weighted errors, of weights, of cells, and of the context."""
        levels = self._level_features(reference, distorted, sizes)
        errors, weights, context = self._error_map(levels, sizes)
        inside = jnp.ones(errors.shape) if cells is None else cells.astype(jnp.float32)
        weights = weights * inside
        totals = [(errors * weights).sum((1, 2)), weights.sum((1, 2)), inside.sum((1, 2))]
        contexts = weighted_sums(context, inside)
        return jnp.concatenate([jnp.stack(totals, axis=-1), contexts], axis=-1)

    def moment_sums(
        self,
        reference: Features,
        distorted: Features,
        sizes: Sizes = None,
        cells: jax.Array | None = None,
    ) -> Float[Array, "n 4*c"]:
        """Sums of moments of the backbone features, positions weighted by their share of a cell."""
        inside = jnp.ones(reference[-1].shape[:3]) if cells is None else cells.astype(jnp.float32)
        strides = self.backbone.strides
        weights = [
            frozen_features.position_weights(inside, a.shape[:3], stride, strides[-1], sizes)
            for a, stride in zip(reference, strides, strict=True)
        ]
        pairs = zip(reference, distorted, strict=True)
        levels = [(a.astype(jnp.float32), b.astype(jnp.float32)) for a, b in pairs]
        return frozen_features.moment_sums(levels, weights)

    def finish(self, sums: Float[Array, "*batch s"], train: bool = False) -> Float[Array, "*batch"]:
        """Raw scores from the result of `sums`; `train` as in `score_features`."""
        local, weights, cells, others = jnp.split(sums, [1, 2, 3], axis=-1)
        context, moments = jnp.split(others / cells, [2 * self.width], axis=-1)
        errors = global_errors(jnp.split(moments, MEANS, axis=-1))
        return self._score((local / weights)[..., 0], self.whole(context, errors), train)

    @property
    def reach(self) -> int | None:
        """Extent of a map cell's receptive field beyond the cell, in pixels; None if unknown."""
        if self.backbone.reach is None:
            return None
        # Attention is followed by the 3 x 3 convolution of the fusion, both on cells.
        cells = max(attention_sizes(self.attention, len(self.backbone.strides))) // 2 + 1
        return max(self.backbone.reach) + self.backbone.strides[-1] * cells

    def _level_features(
        self, reference: Features, distorted: Features, sizes: Sizes = None
    ) -> list[LevelFeatures]:
        strides = self.backbone.strides
        return frozen_features.features_of_levels(reference, distorted, strides, sizes)

    def _image_errors(self, reference: Features, distorted: Features) -> jax.Array:
        count = math.prod(reference[-1].shape[1:3])
        means = self.moment_sums(reference, distorted) / count
        return global_errors(jnp.split(means, MEANS, axis=-1))

    def _error_map(
        self, levels: Sequence[LevelFeatures], sizes: Sizes = None
    ) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Local errors, their weights, both `(N, rows, columns)`, and the fused context."""
        fused = [
            fuse(level, attend)
            for level, fuse, attend in zip(levels, self.levels, self.attentions, strict=True)
        ]
        joints, errors = zip(*fused, strict=True)
        joint = jnp.concatenate(joints, axis=-1)
        joint = clear(joint, at_stride(sizes, self.backbone.strides[-1]))
        context = nn.relu(self.fusion(joint))
        if self.hold_weights:
            context = jax.lax.stop_gradient(context)
        return *self.scorer(context, jnp.concatenate(errors, axis=-1)), context

    def _score(self, errors: jax.Array, whole: jax.Array, train: bool = False) -> jax.Array:
        """Raw scores from the errors of the map and of the whole image, see `score_features`."""
        share = drawn_share(self.make_rng("share")) if train else GLOBAL_SHARE
        return raw_scores(errors, whole, self.sensitivity, share)


class CellFusion(nn.Module):
    """Joint features and errors of one level of cells.

    Attributes:
        width: number of output channels.
    """

    width: int

    @nn.compact
    def __call__(
        self, level: LevelFeatures, attend: Callable[[jax.Array], jax.Array] | None = None
    ) -> tuple[jax.Array, jax.Array]:
        """Joint features and non-negative errors, both `(N, rows, columns, width)`.

        `attend` is the spatial attention, applied to the features of each image.
        """
        first, second, errors = level
        if attend is not None:
            first, second = attend(first), attend(second)
        # The head sees what changed, not what the image shows, or it would memorise scenes. Both
        # inputs are small, and therefore scaled up.
        seen = jnp.concatenate([CHANGE_GAIN * (second - first), roots(errors)], axis=-1)
        joint = nn.relu(nn.Dense(self.width, name="joint")(seen))
        return joint, NonNegativeDense(self.width, name="mix")(errors)
