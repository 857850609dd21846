"""VGG16 (Simonyan and Zisserman, ICLR 2015)."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax

from gsn_jax.backbones.convolution import check_level_count, layer, rectified
from gsn_jax.backbones.imagenet import normalise_images
from gsn_jax.backbones.padded import Sizes, clear, halved
from gsn_jax.backbones.resampling import max_pool
from gsn_jax.layers import CDConv

# Channels of the convolutions of each level.
WIDTHS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))

NAMES = tuple(
    f"conv{level}_{index}"
    for level, widths in enumerate(WIDTHS, 1)
    for index in range(1, len(widths) + 1)
)

# Extent of each level's receptive field beyond a feature's own cell, in pixels.
_REACH = (2, 6, 18, 42, 90)


class VGG16(nn.Module):
    """relu1_2, relu2_2, relu3_3, relu4_3 and relu5_3 of VGG16.

    By default, pooling windows that extend beyond the right or the lower border are kept, so that
    levels halve exactly and no pixel is lost. The published network drops them.

    Attributes:
        conv: the convolution, called like `flax.linen.Conv`.
        level_count: how many levels, 1 to 5, from the first.
        dtype: type of the computation.
        remat: recompute each convolution in the backward pass instead of storing it.
        pool: halves the features of a level for the next one. LPIPS uses `max_pool_complete`, DISTS
            `l2_pool`, see `gsn_jax.backbones.resampling`.
    """

    conv: Callable[..., nn.Module] = CDConv
    level_count: int = 5
    dtype: Any = None
    remat: bool = False
    pool: Callable[[jax.Array], jax.Array] = functools.partial(max_pool, window=2)

    def __post_init__(self) -> None:
        """Checks `level_count`."""
        check_level_count("vgg16", self.level_count, len(WIDTHS))
        super().__post_init__()

    @property
    def strides(self) -> tuple[int, ...]:
        """Image pixels per feature of each level."""
        return tuple(2**level for level in range(self.level_count))

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of each level."""
        return tuple(widths[-1] for widths in WIDTHS[: self.level_count])

    @property
    def reach(self) -> tuple[int, ...]:
        """Extent of each level's receptive field beyond a feature's own cell, in pixels."""
        return _REACH[: self.level_count]

    @property
    def centre(self) -> float:
        """Pixel, along both axes, on which the last level's first feature is centred."""
        return (self.strides[-1] - 1) / 2

    @nn.compact
    def __call__(self, images: jax.Array, sizes: Sizes = None) -> tuple[jax.Array, ...]:
        """Features of `(N, H, W, 3)` images in [0, 1], see `gsn_jax.backbones`."""
        apply = nn.remat(rectified) if self.remat else rectified
        x = clear(normalise_images(images), sizes)
        levels: list[jax.Array] = []
        for level, widths in enumerate(WIDTHS[: self.level_count], 1):
            if levels:
                x, sizes = self.pool(x), halved(sizes)
            for index, width in enumerate(widths, 1):
                name = f"conv{level}_{index}"
                convolution = layer(self.conv, width, dtype=self.dtype, name=name)
                x = clear(apply(convolution, x), sizes)
            levels.append(x)
        return tuple(levels)
