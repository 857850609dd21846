"""CDCN (Yu et al., CVPR 2020): the default backbone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import flax.linen as nn
import jax

from gsn_jax.backbones.convolution import check_level_count, layer
from gsn_jax.backbones.padded import Sizes, clear, halved
from gsn_jax.backbones.resampling import halve, space_to_depth
from gsn_jax.layers import CDConv

_STAGES = ("low", "mid", "high")


class CDCN(nn.Module):
    """A stem and up to three stages of central difference convolutions.

    Like CDCN++, it halves the resolution from level to level: features are at 1/4, 1/8 and 1/16 of
    the image's. The stem moves 2 x 2 pixels into channels, which loses nothing and is several times
    cheaper to differentiate than a strided convolution at full resolution. There is no
    normalisation: it would remove contrast and mean, which quality depends on.

    Attributes:
        conv: the convolution, called like `flax.linen.Conv`.
        stem_width: channels of the stem.
        widths: channels of the low, middle and high level; fewer widths make fewer levels.
        blocks: convolutions per stage.
        dtype: type of the computation.
        remat: recompute each stage in the backward pass instead of storing it.
    """

    conv: Callable[..., nn.Module] = CDConv
    stem_width: int = 16
    widths: Sequence[int] = (32, 64, 96)
    blocks: int = 2
    dtype: Any = None
    remat: bool = False

    def __post_init__(self) -> None:
        """Checks the number of levels."""
        check_level_count("cdcn", len(self.widths), len(_STAGES))
        super().__post_init__()

    @property
    def strides(self) -> tuple[int, ...]:
        """Image pixels per feature of each level."""
        return (4, 8, 16)[: len(self.widths)]

    @property
    def centre(self) -> float:
        """Pixel, along both axes, on which the last level's first feature is centred."""
        return (self.strides[-1] - 1) / 2

    @property
    def reach(self) -> tuple[int, ...]:
        """Extent of each level's receptive field beyond a feature's own cell, in pixels.

        It results from the 3 x 3 convolutions at strides 2 to 16.
        """
        return tuple(2 + stride * self.blocks for stride in (4, 12, 28)[: len(self.widths)])

    @nn.compact
    def __call__(self, images: jax.Array, sizes: Sizes = None) -> tuple[jax.Array, ...]:
        """Features of `(N, H, W, 3)` images in [0, 1], see `gsn_jax.backbones`."""

        def stem(module: CDCN, images: jax.Array, sizes: Sizes) -> jax.Array:
            # Centred, so that the zeros beyond the border are mid-gray and not black.
            x = space_to_depth(2 * images - 1, sizes)
            return clear(nn.relu(module.convolution(self.stem_width, "stem")(x)), halved(sizes))

        def stage(module: CDCN, x: jax.Array, name: str, width: int, sizes: Sizes) -> jax.Array:
            x, sizes = halve(x, sizes), halved(sizes)
            for index in range(self.blocks):
                x = nn.relu(module.convolution(width, f"{name}_{index}")(x))
                x = clear(x, sizes)
            return x

        if self.remat:
            stem, stage = nn.remat(stem), nn.remat(stage, static_argnums=(2, 3))
        x, sizes = stem(self, images, sizes), halved(sizes)
        levels = []
        for name, width in zip(_STAGES, self.widths, strict=False):
            x, sizes = stage(self, x, name, width, sizes), halved(sizes)
            levels.append(x)
        return tuple(levels)

    def convolution(self, width: int, name: str) -> nn.Module:
        """A 3 x 3 convolution with bias."""
        return layer(self.conv, width, dtype=self.dtype, name=name)
