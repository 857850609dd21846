"""AlexNet (Krizhevsky 2014, torchvision's widths) as a trunk of central difference convolutions."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from gsn_jax.backbones.imagenet import (
    WHOLE,
    TrunkConvolution,
    normalise_images,
    pool_whole,
    require_borders,
    require_no_norm,
)
from gsn_jax.backbones.imagenet_features import max_pool
from gsn_jax.images.padded import Sizes, clear, halved

# Channels, kernel size, stride and border of each convolution.
LAYERS = ((64, 11, 4, 2), (192, 5, 1, 2), (384, 3, 1, 1), (256, 3, 1, 1), (256, 3, 1, 1))

_POOLED = (1, 2)  # the layers that see pooled features
_STRIDES = (4, 8, 16, 16, 16)
_MIN_SIZES = (7, 15, 31, 31, 31)
# Pixels beyond its own cell that a feature of each level sees, most of them below and to the right.
_REACH = (5, 25, 49, 65, 81)
# Where the first feature of each level looks: the middle of its window in the image.
_CENTRES = (3, 7, 15, 15, 15)


class AlexNetTrunk(nn.Module):
    """The five rectified convolutions of AlexNet, each as CDC, the 11 x 11 stem too.

    With kernels from `gsn_jax.layers.init_from_plain` it is the published network exactly, but for
    borders where they are "whole".

    Attributes:
        level_count: how many levels, 1 to 5, from the first.
        borders: see `gsn_jax.backbones.imagenet.BORDERS`. The published network sees two zeros
            around the image.
        theta: share of the central difference.
        norm: "none"; AlexNet has no normalisation.
        dtype: type of the computation.
        remat: recompute each level in the backward pass instead of storing it.
        axis_name: unused, the trunk has no batch statistics.
    """

    level_count: int = 5
    borders: str = WHOLE
    theta: float = 0.7
    norm: str = "none"
    dtype: Any = None
    remat: bool = False
    axis_name: Any = None

    def check_settings(self) -> None:
        """Raises a ValueError that names the first setting that does not fit."""
        require_no_norm("alexnet", self.norm)
        require_borders(self.borders)
        if not 1 <= self.level_count <= len(LAYERS):
            raise ValueError(f"alexnet has 1 to {len(LAYERS)} levels, got {self.level_count}")

    @property
    def strides(self) -> tuple[int, ...]:
        """Image pixels per feature of each level."""
        return _STRIDES[: self.level_count]

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of each level."""
        return tuple(layer[0] for layer in LAYERS[: self.level_count])

    @property
    def min_size(self) -> int:
        """Smallest height and width of which every level has something left."""
        return 1 if self.borders == WHOLE else _MIN_SIZES[self.level_count - 1]

    @property
    def reach(self) -> tuple[int, ...] | None:
        """How many pixels beyond its own each level's features see; None where grids differ."""
        return _REACH[: self.level_count] if self.borders == WHOLE else None

    @property
    def centre(self) -> float:
        """Pixel, along both axes, on which the last level's first feature is centred."""
        return _CENTRES[self.level_count - 1]

    @nn.compact
    def __call__(
        self, images: jax.Array, train: bool = False, sizes: Sizes = None
    ) -> tuple[jax.Array, ...]:
        """Features `(N, H / s, W / s, C)` of `(N, H, W, 3)` in [0, 1], rounded up if "whole".

        With true `sizes` (see `gsn_jax.images.padded`) they are those of the images alone, and zero
        beyond.
        """
        self.check_settings()
        whole = self.borders == WHOLE
        convolution = TrunkConvolution
        if self.remat:
            convolution = nn.remat(TrunkConvolution, static_argnums=(2,))
        x, levels = clear(normalise_images(images), sizes), []
        for index, (width, size, stride, border) in enumerate(LAYERS[: self.level_count]):
            if index in _POOLED:
                x = pool_whole(x, 3) if whole else max_pool(x, 3)
                sizes = halved(sizes)
            if whole and index == 0:
                x, border = _reach_over(x), 0
                sizes = halved(halved(sizes))
            layer = convolution(
                width,
                kernel_size=(size, size),
                strides=(stride, stride),
                padding=border,
                theta=self.theta,
                dtype=self.dtype,
                name=f"conv{index + 1}",
            )
            x = clear(nn.relu(layer(x, train)), sizes)
            levels.append(x)
        return tuple(levels)


def _reach_over(images: jax.Array) -> jax.Array:
    """Zeros around `(N, H, W, 3)` so that the stem's windows begin where the published ones do,
    and their number is H / 4 and W / 4, rounded up."""
    _, size, stride, border = LAYERS[0]
    beyond = [
        stride * (-(-length // stride) - 1) + size - border - length for length in images.shape[1:3]
    ]
    return jnp.pad(images, [(0, 0), *((border, after) for after in beyond), (0, 0)])
