"""The Gradient Siamese Network (Cong et al., CVPR Workshops 2022).

Both images pass one trunk of central difference convolutions with shared weights; spatial
attention weights each level; features of the same level are fused, then the levels are; a score
map with a weight map gives one score per image, and its spatial quality map.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.core import FrozenDict

from gsn_jax.backbones import cdcn, folding
from gsn_jax.images import padded
from gsn_jax.layers import SpatialAttention
from gsn_jax.metric import MapGrid
from gsn_jax.models import comparisons, descriptions
from gsn_jax.models.heads import AnchoredScores, FreeScores, GridFusion, LevelFusion, WholeScore

Features = cdcn.Features
Variables = Mapping[str, Any]

# Raw score of an identical pair under the anchored head: on the labels' scale, quality 1.
IDENTITY_SCORE = 1.0

HEADS = ("anchored", "free")
COMPARISONS = tuple(comparisons.ERRORS_PER_CHANNEL)
POOLINGS = ("weighted", "mean")

# Side in pixels of a cell of the score map of a trunk with a `reach`: the stride of its high level.
CELL = 16

# How many times as many channels the fused levels have as each of them.
_CONTEXT = 2

# Finer levels are compared where they are, but fused on the grid of this many pixels: as many
# channels as they have, weighting their errors pixel by pixel would cost more than the trunk.
FUSION_STRIDE = 4


class GSN(nn.Module):
    """Scores distorted images against their references; up = better.

    `GSN(...).apply(variables, reference, distorted)` maps two `(N, H, W, 3)` arrays in [0, 1] to
    raw scores `(N,)`. The losses fix neither their offset nor their scale;
    `gsn_jax.models.calibration` turns them into quality in [0, 1].

    Attributes:
        trunk: name in `gsn_jax.backbones.cdcn`; it says how many levels there are.
        trunk_options: attributes of the trunk.
        theta: share of the central difference in trunk and fusion; 0 is the plain-CNN arm.
        norm: "none" or "batch", in trunk and fusion.
        attention: kernel size of the spatial attention per level, 0 for none; (7, 5, 3) is
            CDCN++'s. Where the trunk has more levels, the finest take the first size too.
        fusion_width: channels each level is fused to.
        head: "anchored" scores a non-negative error that vanishes where the features agree, so
            that an identical pair is best by construction, with raw score `IDENTITY_SCORE`.
            "free" regresses from the fused features alone, as far as the paper says what it does.
        comparison: how "anchored" measures the difference of two features a and b, see
            `models.comparisons`: "similarity" is (a - b)^2 / (a^2 + b^2 + c), the form of SSIM
            and GMSD, which knows masking; "difference" is |a - b|; "normalized" is LPIPS's
            squared difference of features of unit length; "structure" is DISTS's comparison of
            means and of structure, within windows, or `on_grid` of the whole image. The last two
            start as plain means. Several are joined by "+", as in "normalized+similarity".
        channelwise: whether every channel's error is weighted by how visible it is, before channels
            are mixed; see `gsn_jax.models.heads.LevelFusion`. False costs less.
        on_grid: learn only from what is averaged over the cells of the score map, so that what a
            frozen trunk says of a pair can be stored: `describe`, then `judge`. Attention weights
            the averaged features, floors are constants, `channelwise` has no meaning. The score is
            the mean of what the map gives and of what "structure" gives. For trunks with a `reach`.
        pooling: "weighted" by a learned map, or "mean".
        dtype: type of the trunk's computation, float32 or bfloat16; parameters, comparison and
            head stay float32.
        hold_weights: gradients take what an error weighs for a constant, under "anchored"; values
            stay. For losses: an image could otherwise make its errors weigh less, not be less.
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
    channelwise: bool = True
    on_grid: bool = False
    pooling: str = "weighted"
    dtype: Any = jnp.float32
    hold_weights: bool = False
    remat: bool = False
    axis_name: Any = None

    def __post_init__(self) -> None:
        """Freezes the settings, so that a model can be a static argument of a jitted function."""
        object.__setattr__(self, "trunk_options", FrozenDict(self.trunk_options))
        object.__setattr__(self, "attention", tuple(self.attention))
        super().__post_init__()

    def check_settings(self) -> None:
        """Raises a ValueError that names the first setting that does not fit."""
        for name, value, known in (
            ("head", self.head, HEADS),
            *(("comparison", part, COMPARISONS) for part in self._compared),
            ("pooling", self.pooling, POOLINGS),
            ("norm", self.norm, cdcn.NORMS),
        ):
            if value not in known:
                raise ValueError(f"{name} must be one of {known}, got {value!r}")
        trunk = self._trunk(parent=None)
        getattr(trunk, "check_settings", lambda: None)()
        _attention_sizes(self.attention, len(trunk.strides))
        if self.on_grid and self.head != "anchored":
            raise ValueError('on_grid needs head="anchored"')
        if self.on_grid and self.comparison == descriptions.WHOLE:
            raise ValueError(f'on_grid needs a comparison beside "{self.comparison}", for the map')
        if self.on_grid and (self.norm != "none" or getattr(trunk, "reach", None) is None):
            raise ValueError('on_grid needs norm="none" and a trunk whose levels halve exactly')

    def setup(self) -> None:
        """Builds trunk, attention, fusion and head."""
        self.check_settings()
        self.backbone = self._trunk()
        strides = self.backbone.strides
        self.attentions = [
            SpatialAttention(size, dtype=self.dtype) if size else None
            for size in _attention_sizes(self.attention, len(strides))
        ]
        anchored = self.head == "anchored"
        even = not {"normalized", "structure"}.isdisjoint(self._compared)
        level_fusion = nn.remat(LevelFusion, static_argnums=(3,)) if self.remat else LevelFusion
        self.levels = [
            GridFusion(self.fusion_width)
            if self.on_grid
            else level_fusion(
                self.fusion_width,
                self._compared if anchored else (),
                halvings=max(0, (FUSION_STRIDE // stride).bit_length() - 1),
                even=even,
                channelwise=self.channelwise,
                hold_weights=self.hold_weights,
            )
            for stride in strides
        ]
        self.fusion = cdcn.CDCBlock(
            _CONTEXT * self.fusion_width,
            theta=self.theta,
            norm=self.norm,
            axis_name=self.axis_name,
        )
        self.scorer = AnchoredScores(even) if anchored else FreeScores()
        self.sensitivity = self.param("sensitivity", nn.initializers.constant(3.0), ())
        if self._sees_whole:
            self.whole = WholeScore(self.fusion_width)

    def _trunk(self, **options: Any) -> nn.Module:
        options |= {"theta": self.theta, "norm": self.norm, "dtype": self.dtype}
        if self.remat:
            options["remat"] = True
        return cdcn.get(self.trunk, axis_name=self.axis_name, **{**options, **self.trunk_options})

    @property
    def _compared(self) -> tuple[str, ...]:
        return tuple(self.comparison.split("+"))

    @property
    def _sees_whole(self) -> bool:
        return self.on_grid and descriptions.WHOLE in self._compared

    @property
    def sums_size(self) -> int:
        """Length of an example's `sums`."""
        if not self._sees_whole:
            return 2
        moments = descriptions.MOMENTS * sum(self._trunk(parent=None).widths)
        return 3 + _CONTEXT * self.fusion_width + moments

    @property
    def min_size(self) -> int:
        """Smallest height and width of an image that the trunk can describe."""
        return self._trunk(parent=None).min_size

    @property
    def map_grid(self) -> MapGrid:
        """Where the cells of `quality_map` lie in the image."""
        trunk = self._trunk(parent=None)
        return MapGrid(trunk.strides[-1], cdcn.centre(trunk))

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
        """Features of `(N, H, W, 3)` images, attended but `on_grid`; a reference needs this once.

        With true `sizes` (see `gsn_jax.images.padded`) they are those of the images alone.
        """
        # The trunk rounds to its own type only after centring, or bfloat16 would merge grey levels.
        # A trunk that knows nothing of sizes is called without them.
        levels = (
            self.backbone(images, train)
            if sizes is None
            else self.backbone(images, train, sizes=sizes)
        )
        if self.on_grid:
            return tuple(levels)
        # Alone, unit length is given once per image; beside others, which need the length, in each
        # comparison.
        if self.head == "anchored" and self.comparison == "normalized":
            levels = [
                comparisons.normalise_channels(level.astype(jnp.float32)).astype(level.dtype)
                for level in levels
            ]
        return tuple(
            level if attend is None else attend(level)
            for level, attend in zip(levels, self.attentions, strict=True)
        )

    def compare(self, reference: Features, distorted: Features, train: bool = False) -> jax.Array:
        """Raw scores `(N,)` from the features of both images."""
        return self.finish(self.sums(reference, distorted, train), train)

    def sums(
        self,
        reference: Features,
        distorted: Features,
        train: bool = False,
        sizes: padded.Sizes = None,
        core: jax.Array | None = None,
    ) -> jax.Array:
        """What `finish` turns into scores, `(N, sums_size)`.

        Sums over the score map: of weighted local scores, and of weights; where the whole image is
        seen also the number of cells, the fused features and the moments. The sums of an image's
        tiles add up to those of the image.

        Args:
            reference: features of the references, from `encode`.
            distorted: features of the distorted images.
            train: see `__call__`.
            sizes: true sizes of the images, see `gsn_jax.images.padded`.
            core: `(N, 4)`, the part of the score map to sum: first row, row after the last, first
                column, column after the last; None is all of it.
        """
        parts = (
            self.map_sums(reference, distorted, train, sizes, core),
            self.moment_sums(reference, distorted, sizes, core),
        )
        return jnp.concatenate(parts, axis=-1)

    def map_sums(
        self,
        reference: Features,
        distorted: Features,
        train: bool = False,
        sizes: padded.Sizes = None,
        core: jax.Array | None = None,
    ) -> jax.Array:
        """The first part of `sums`: what comes from the score map."""
        scores, weights, fused = self._maps(reference, distorted, train, sizes)
        sums = self._sums(scores, weights, core)
        if not self._sees_whole:
            return sums
        cells = _inside(scores.shape, core).astype(jnp.float32)
        count, context = cells.sum(axis=(1, 2))[:, None], descriptions.weighted_sums(fused, cells)
        return jnp.concatenate([sums, count, context], axis=-1)

    def moment_sums(
        self,
        reference: Features,
        distorted: Features,
        sizes: padded.Sizes = None,
        core: jax.Array | None = None,
    ) -> jax.Array:
        """The rest of `sums`, nothing where the whole image is not seen: moments of the features.

        Of each cell the means.
        """
        grid = reference[-1].shape[:3]
        if not self._sees_whole:
            return jnp.zeros((grid[0], 0), jnp.float32)
        cells = _inside(grid, core)[..., None].astype(jnp.float32)
        levels, weights = [], []
        for a, b, stride in zip(reference, distorted, self.backbone.strides, strict=True):
            levels.append((a.astype(jnp.float32), b.astype(jnp.float32)))
            positions = jax.ShapeDtypeStruct((*a.shape[:3], 1), jnp.float32)
            spread = jax.linear_transpose(self._to_grid(stride, sizes), positions)
            weights.append(spread(cells)[0][..., 0])
        return descriptions.moment_sums(levels, weights)

    def _sums(
        self, scores: jax.Array, weights: jax.Array, core: jax.Array | None = None
    ) -> jax.Array:
        if self.pooling == "mean":
            weights = jnp.ones_like(weights)
        if core is not None:
            weights = jnp.where(_inside(weights.shape, core), weights, 0)
        return jnp.stack([(scores * weights).sum(axis=(1, 2)), weights.sum(axis=(1, 2))], axis=-1)

    def finish(self, sums: jax.Array, train: bool = False) -> jax.Array:
        """Raw scores `(...)` of `sums` `(..., sums_size)`."""
        local = sums[..., 0] / sums[..., 1]
        if not self._sees_whole:
            return self._raw(local)
        means = sums[..., 3:] / sums[..., 2, None]
        context, moments = jnp.split(means, [self.fusion.features], axis=-1)
        return self._with_whole(local, context, descriptions.whole_errors(moments), train)

    def quality_map(self, reference: jax.Array, distorted: jax.Array) -> jax.Array:
        """Raw local scores `(N, h, w)` on the grid of the high level, up = better.

        What is wrong with the whole image is wrong with every part of it.
        """
        first, second = self.encode(reference), self.encode(distorted)
        if not self._sees_whole:
            return self._raw(self._maps(first, second, False)[0])
        scores, _, fused = self._grid_maps(self._describe(first, second), False)
        whole = self.whole(fused.mean(axis=(1, 2)), self._whole_errors(first, second))
        return self._raw(scores, whole[:, None, None])

    def describe(self, reference: Features, distorted: Features) -> tuple[jax.Array, jax.Array]:
        """What nothing learned has touched but the trunk, see `gsn_jax.models.descriptions`.

        Args:
            reference: features of the references, from `encode`.
            distorted: features of the distorted images.

        Returns:
            `cells` `(N, h, w, D)` on the grid of the score map, and `whole` `(N, E)`.
        """
        cells = descriptions.join_levels(self._describe(reference, distorted))
        if not self._sees_whole:
            return cells, jnp.zeros((len(cells), 0), jnp.float32)
        return cells, self._whole_errors(reference, distorted)

    def _describe(
        self, reference: Features, distorted: Features, sizes: padded.Sizes = None
    ) -> list[descriptions.Level]:
        return [
            descriptions.describe_level(
                a.astype(jnp.float32),
                b.astype(jnp.float32),
                self._compared,
                self._to_grid(stride, sizes),
            )
            for a, b, stride in zip(reference, distorted, self.backbone.strides, strict=True)
        ]

    def _whole_errors(self, reference: Features, distorted: Features) -> jax.Array:
        count = math.prod(reference[-1].shape[1:3])
        return descriptions.whole_errors(self.moment_sums(reference, distorted) / count)

    def judge(self, cells: jax.Array, whole: jax.Array, train: bool = False) -> jax.Array:
        """Raw scores `(N,)` of what `describe` gave."""
        levels = descriptions.split_levels(cells, self.backbone.widths, self._compared)
        scores, weights, fused = self._grid_maps(levels, train)
        sums = self._sums(scores, weights)
        local = sums[..., 0] / sums[..., 1]
        if not self._sees_whole:
            return self._raw(local)
        return self._with_whole(local, fused.mean(axis=(1, 2)), whole, train)

    def _with_whole(
        self, local: jax.Array, context: jax.Array, errors: jax.Array, train: bool
    ) -> jax.Array:
        """Raw scores of what the map gave and of the errors of the whole image."""
        return self._raw(local, self.whole(context, errors), self._share(train))

    def _share(self, train: bool) -> jax.Array | float:
        """How much the whole image counts beside the map: half; in a step all, half or nothing.

        So each part has to judge alone too. Else the one that learns faster, which is not the one
        that generalises better, would leave nothing to the other. It is drawn once for all pairs
        that a device computes at a time, so that their ranks mean something.
        """
        if not train:
            return 0.5
        return jax.random.randint(self.make_rng("dropout"), (), 0, 3) / 2

    @property
    def reach(self) -> int | None:
        """Pixels beyond its own that a cell of the score map sees; None if the trunk says not.

        None for "structure" where its windows repeat the edges of what they are given.
        """
        trunk = self._trunk(parent=None)
        reaches = getattr(trunk, "reach", None)
        if reaches is None or trunk.strides[-1] != CELL:
            return None
        sizes = _attention_sizes(self.attention, len(trunk.strides))
        if self.on_grid:  # attention and fusion one after the other, in cells
            return max(reaches) + CELL * (max(sizes) // 2 + 1)
        if "structure" in self.comparison:
            return None
        levels = zip(reaches, trunk.strides, sizes, strict=True)
        return max(reach + stride * (size // 2) for reach, stride, size in levels) + CELL

    def _maps(
        self,
        reference: Features,
        distorted: Features,
        train: bool,
        sizes: padded.Sizes = None,
    ) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Local scores and their positive weights, both `(N, h, w)`, and the fused levels."""
        if self.on_grid:
            return self._grid_maps(self._describe(reference, distorted, sizes), train, sizes)
        joints, errors = [], []
        strides = self.backbone.strides
        for level, fuse in enumerate(self.levels):
            a, b = (features[level].astype(jnp.float32) for features in (reference, distorted))
            if getattr(self.backbone, "reach", None) is not None:
                reduce = self._to_grid(strides[level], sizes)
            else:
                height, width = reference[-1].shape[1:3]
                reduce = functools.partial(cdcn.to_grid, height=height, width=width)
            joint, error = fuse(a, b, reduce)
            joints.append(joint)
            errors.append(error)
        return self._fused(joints, errors, train, sizes)

    def _grid_maps(
        self, levels: Sequence[descriptions.Level], train: bool, sizes: padded.Sizes = None
    ) -> tuple[jax.Array, jax.Array, jax.Array]:
        """`_maps` from what was averaged of every level."""
        fused = [
            fuse(level, attend)
            for level, fuse, attend in zip(levels, self.levels, self.attentions, strict=True)
        ]
        joints, errors = zip(*fused, strict=True)
        return self._fused(joints, errors, train, sizes)

    def _fused(
        self,
        joints: Sequence[jax.Array],
        errors: Sequence[jax.Array],
        train: bool,
        sizes: padded.Sizes,
    ) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Cross-level fusion of joint features and errors of the levels, and its scores."""
        grid = _at_stride(sizes, self.backbone.strides[-1])
        joint = padded.clear(jnp.concatenate(joints, axis=-1), grid)
        fused = self.fusion(joint, train)
        if self.hold_weights and self.head == "anchored":
            fused = jax.lax.stop_gradient(fused)
        return *self.scorer(fused, jnp.concatenate(errors, axis=-1)), fused

    def _to_grid(self, stride: int, sizes: padded.Sizes) -> Callable[[jax.Array], jax.Array]:
        """Means of a level of this stride over the cells of the score map."""
        return functools.partial(
            _halve_often,
            times=(self.backbone.strides[-1] // stride).bit_length() - 1,
            sizes=_at_stride(sizes, stride),
        )

    def _raw(
        self, scores: jax.Array, whole: jax.Array | None = None, share: jax.Array | float = 0.5
    ) -> jax.Array:
        """Compresses the anchored error, 0 to infinity, as sensation does.

        With what `whole` says of the whole image it is the mean of both, weighted by its `share`.
        """
        if self.head == "free":
            return scores
        sensed = jnp.log1p(scores * jnp.exp(self.sensitivity))
        return IDENTITY_SCORE - (sensed if whole is None else sensed + share * (whole - sensed))

    def fold(self, variables: Variables) -> tuple[GSN, dict[str, Any]]:
        """The same function in plain convolutions: CDC and batch normalisation folded in.

        Args:
            variables: `{"params": ..., "batch_stats": ...}` of this model.

        Returns:
            A model with theta = 0 and no normalisation, and its variables; equal scores up to
            rounding.
        """
        model = self.clone(theta=0.0, norm="none", axis_name=None, parent=None)
        params = folding.fold_blocks(
            variables["params"], variables.get("batch_stats", {}), self.theta
        )
        return model, {"params": params}


def _attention_sizes(sizes: Sequence[int], levels: int) -> tuple[int, ...]:
    """One kernel size per level: too short a list repeats its first size for the finest levels."""
    if not 0 < len(sizes) <= levels:
        raise ValueError(f"attention needs 1 to {levels} kernel sizes (0: none), got {sizes}")
    return (sizes[0],) * (levels - len(sizes)) + tuple(sizes)


def _at_stride(sizes: padded.Sizes, stride: int) -> padded.Sizes:
    for _ in range(stride.bit_length() - 1):
        sizes = padded.halved(sizes)
    return sizes


def _inside(shape: Sequence[int], core: jax.Array | None) -> jax.Array:
    """Which cells of `(N, h, w)` are within the rows and columns of `core`, see `GSN.sums`."""
    if core is None:
        return jnp.ones(shape, bool)
    rows = jnp.arange(shape[1])[None, :, None]
    columns = jnp.arange(shape[2])[None, None, :]
    top, bottom, left, right = (core[:, i, None, None] for i in range(4))
    return (rows >= top) & (rows < bottom) & (columns >= left) & (columns < right)


def _halve_often(x: jax.Array, times: int, sizes: padded.Sizes) -> jax.Array:
    for _ in range(times):
        x, sizes = cdcn.halve(x, sizes), padded.halved(sizes)
    return x


def fold(model: GSN, variables: Variables) -> tuple[GSN, dict[str, Any]]:
    """`model.fold(variables)`: the trained model in plain convolutions, with equal output."""
    return model.fold(variables)
