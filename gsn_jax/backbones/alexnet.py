"""AlexNet (Krizhevsky 2014, torchvision's widths)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from gsn_jax.backbones.convolution import check_level_count, layer, rectified
from gsn_jax.backbones.imagenet import normalise_images
from gsn_jax.backbones.padded import Sizes, clear
from gsn_jax.backbones.resampling import max_pool, max_pool_complete
from gsn_jax.layers import CDConv

# Channels, kernel size, stride and border of each convolution.
LAYERS = ((64, 11, 4, 2), (192, 5, 1, 2), (384, 3, 1, 1), (256, 3, 1, 1), (256, 3, 1, 1))

NAMES = tuple(f"conv{index}" for index in range(1, len(LAYERS) + 1))

POOLED = (1, 2)  # the layers whose input is pooled
_STRIDES = (4, 8, 16, 16, 16)
# Extent of each level's receptive field beyond a feature's own cell, in pixels; it extends furthest
# below and to the right.
_REACH = (5, 25, 49, 65, 81)
# Centre of the receptive field of each level's first feature, in pixels.
_CENTRES = (3, 7, 15, 15, 15)


class AlexNet(nn.Module):
    """The five rectified convolutions of AlexNet.

    Stem and pooling windows that extend beyond the right or the lower border see zeros there, so
    that levels halve exactly and no pixel is lost. The published network drops these windows.

    Attributes:
        conv: the convolution, called like `flax.linen.Conv`.
        level_count: how many levels, 1 to 5, from the first.
        dtype: type of the computation.
        remat: recompute each level in the backward pass instead of storing it.
        complete_windows: drop those windows, as LPIPS does.
    """

    conv: Callable[..., nn.Module] = CDConv
    level_count: int = 5
    dtype: Any = None
    remat: bool = False
    complete_windows: bool = False

    def __post_init__(self) -> None:
        """Checks `level_count`."""
        check_level_count("alexnet", self.level_count, len(LAYERS))
        super().__post_init__()

    @property
    def strides(self) -> tuple[int, ...]:
        """Image pixels per feature of each level."""
        return _STRIDES[: self.level_count]

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of each level."""
        return tuple(width for width, *_ in LAYERS[: self.level_count])

    @property
    def reach(self) -> tuple[int, ...]:
        """Extent of each level's receptive field beyond a feature's own cell, in pixels."""
        return _REACH[: self.level_count]

    @property
    def centre(self) -> float:
        """Pixel, along both axes, on which the last level's first feature is centred."""
        return _CENTRES[self.level_count - 1]

    def level_sizes(self, sizes: Any) -> list[Any]:
        """Heights or widths of the levels, given those of the images, as numbers or arrays."""
        levels = []
        for index, (_, size, stride, border) in enumerate(LAYERS[: self.level_count]):
            if index in POOLED:
                sizes = (sizes - 1) >> 1 if self.complete_windows else (sizes + 1) >> 1
            if index == 0:
                beyond = 2 * border - size if self.complete_windows else -1
                sizes = (sizes + beyond) // stride + 1
            levels.append(sizes)
        return levels

    @nn.compact
    def __call__(self, images: jax.Array, sizes: Sizes = None) -> tuple[jax.Array, ...]:
        """Features of `(N, H, W, 3)` images in [0, 1], see `gsn_jax.backbones`."""
        apply = nn.remat(rectified) if self.remat else rectified
        x, levels = clear(normalise_images(images), sizes), []
        level_sizes = self.level_sizes(sizes) if sizes is not None else [None] * self.level_count
        for index, (width, size, stride, border) in enumerate(LAYERS[: self.level_count]):
            if index in POOLED:
                pool = max_pool_complete if self.complete_windows else max_pool
                x = clear(pool(x, 3), level_sizes[index])
            if index == 0 and not self.complete_windows:
                x, border = _pad_for_stem(x), 0
            convolution = layer(
                self.conv,
                width,
                size,
                stride=stride,
                border=border,
                dtype=self.dtype,
                name=NAMES[index],
            )
            x = clear(apply(convolution, x), level_sizes[index])
            levels.append(x)
        return tuple(levels)


def _pad_for_stem(images: jax.Array) -> jax.Array:
    """Pads `(N, H, W, 3)` with zeros, so that the stem's windows begin where the published ones do
    and number ceil(H / 4) x ceil(W / 4)."""
    _, size, stride, border = LAYERS[0]
    beyond = [
        stride * (-(-length // stride) - 1) + size - border - length for length in images.shape[1:3]
    ]
    return jnp.pad(images, [(0, 0), *((border, after) for after in beyond), (0, 0)])
