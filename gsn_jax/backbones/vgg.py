"""VGG16 (Simonyan and Zisserman, ICLR 2015) as a trunk of central difference convolutions."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax

from gsn_jax.backbones.imagenet import (
    WHOLE,
    TrunkConvolution,
    normalise_images,
    pool_whole,
    require_borders,
    require_no_norm,
)
from gsn_jax.backbones.imagenet_features import l2_pool, max_pool
from gsn_jax.images.padded import Sizes, clear, halved

# Channels of the convolutions of each level.
WIDTHS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))

POOLINGS = ("max", "l2")

# Pixels beyond its own cell that a feature of each level sees.
_REACH = (2, 6, 18, 42, 90)


class VGG16Trunk(nn.Module):
    """relu1_2, relu2_2, relu3_3, relu4_3 and relu5_3 of VGG16, each convolution as CDC.

    With kernels from `gsn_jax.layers.init_from_plain` it is the published network exactly, but for
    borders where they are "whole".

    Attributes:
        level_count: how many levels, 1 to 5, from the first.
        pooling: between levels, "max" as trained or "l2" as in DISTS, which does not alias.
        borders: see `gsn_jax.backbones.imagenet.BORDERS`.
        theta: share of the central difference.
        norm: "none"; VGG16 has no normalisation.
        dtype: type of the computation.
        remat: recompute each level in the backward pass instead of storing it.
        axis_name: unused, the trunk has no batch statistics.
    """

    level_count: int = 5
    pooling: str = "max"
    borders: str = WHOLE
    theta: float = 0.7
    norm: str = "none"
    dtype: Any = None
    remat: bool = False
    axis_name: Any = None

    def check_settings(self) -> None:
        """Raises a ValueError that names the first setting that does not fit."""
        require_no_norm("vgg16", self.norm)
        require_borders(self.borders)
        if self.pooling not in POOLINGS:
            raise ValueError(f"pooling must be one of {POOLINGS}, got {self.pooling!r}")
        if not 1 <= self.level_count <= len(WIDTHS):
            raise ValueError(f"vgg16 has 1 to {len(WIDTHS)} levels, got {self.level_count}")

    @property
    def strides(self) -> tuple[int, ...]:
        """Image pixels per feature of each level."""
        return tuple(2**level for level in range(self.level_count))

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of each level."""
        return tuple(widths[-1] for widths in WIDTHS[: self.level_count])

    @property
    def min_size(self) -> int:
        """Smallest height and width of which every level has something left."""
        return 1 if self._whole else 2 ** (self.level_count - 1)

    @property
    def reach(self) -> tuple[int, ...] | None:
        """How many pixels beyond its own each level's features see; None where grids differ.

        None for `l2` pooling too, whose windows reach over an odd last row.
        """
        return _REACH[: self.level_count] if self._whole else None

    @property
    def _whole(self) -> bool:
        return self.borders == WHOLE and self.pooling == "max"

    @nn.compact
    def __call__(
        self, images: jax.Array, train: bool = False, sizes: Sizes = None
    ) -> tuple[jax.Array, ...]:
        """Features `(N, H / s, W / s, C)` of `(N, H, W, 3)` in [0, 1], s of `strides`.

        With true `sizes` (see `gsn_jax.images.padded`) they are those of the images alone, and zero
        beyond.
        """
        self.check_settings()
        convolution = TrunkConvolution
        if self.remat:
            convolution = nn.remat(TrunkConvolution, static_argnums=(2,))
        x, levels = clear(normalise_images(images), sizes), []
        for level, widths in enumerate(WIDTHS[: self.level_count], 1):
            if levels:
                x, sizes = self._pool(x), halved(sizes)
            for index, width in enumerate(widths, 1):
                layer = convolution(
                    width, theta=self.theta, dtype=self.dtype, name=f"conv{level}_{index}"
                )
                x = clear(nn.relu(layer(x, train)), sizes)
            levels.append(x)
        return tuple(levels)

    def _pool(self, x: jax.Array) -> jax.Array:
        if self.pooling == "l2":
            return l2_pool(x)
        return pool_whole(x, 2) if self._whole else max_pool(x, 2)
