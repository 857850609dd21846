"""ResNet-18, 34 and 50 (He et al., CVPR 2016).

As in torchvision and timm, a bottleneck block strides in its 3 x 3 convolution. Batch normalisation
is folded into the convolutions when published weights are converted, see
`gsn_jax.models.initial_weights`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from gsn_jax.backbones.convolution import check_level_count, layer
from gsn_jax.backbones.imagenet import normalise_images
from gsn_jax.layers import CDConv

# Blocks per stage.
BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3)}
WIDTHS = (64, 128, 256, 512)
_EXPANSION = 4  # of the bottleneck blocks of ResNet-50


class ResNet(nn.Module):
    """The rectified stem and the four stages of a ResNet.

    Every level has half the size, rounded up, of the one before. 1 x 1 convolutions have no
    neighbours to take differences with, and are always plain.

    Attributes:
        depth: 18, 34 or 50.
        conv: the convolution, called like `flax.linen.Conv`.
        level_count: how many levels, 1 to 5: the stem at half the resolution, then the stages.
        dtype: type of the computation.
        remat: recompute each block in the backward pass instead of storing it.
    """

    depth: int = 18
    conv: Callable[..., nn.Module] = CDConv
    level_count: int = 5
    dtype: Any = None
    remat: bool = False

    reach = None
    centre = 0.0  # all windows are odd, with equal borders on both sides

    def __post_init__(self) -> None:
        """Checks the settings."""
        if self.depth not in BLOCKS:
            raise ValueError(f"depth must be one of {tuple(BLOCKS)}, got {self.depth}")
        check_level_count("a ResNet", self.level_count, len(WIDTHS) + 1)
        super().__post_init__()

    @property
    def strides(self) -> tuple[int, ...]:
        """Image pixels per feature of each level."""
        return tuple(2 ** (level + 1) for level in range(self.level_count))

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of each level."""
        expansion = _EXPANSION if self.depth == 50 else 1
        return (WIDTHS[0], *(expansion * width for width in WIDTHS))[: self.level_count]

    @nn.compact
    def __call__(self, images: jax.Array, sizes: None = None) -> tuple[jax.Array, ...]:
        """Features of `(N, H, W, 3)` images in [0, 1], see `gsn_jax.backbones`.

        Raises:
            ValueError: there are `sizes`; its padding would have an influence on the features.
        """
        if sizes is not None:
            raise ValueError("ResNet does not support padded images")
        block = nn.remat(ResidualBlock) if self.remat else ResidualBlock
        options = {"conv": self.conv, "dtype": self.dtype}
        stem = layer(self.conv, WIDTHS[0], 7, stride=2, dtype=self.dtype, name="stem")
        x = nn.relu(stem(normalise_images(images)))
        levels = [x]
        stages = zip(WIDTHS, BLOCKS[self.depth], strict=True)
        for stage, (width, count) in enumerate(list(stages)[: self.level_count - 1], 1):
            if stage == 1:
                x = _max_pool(x)
            for index in range(count):
                x = block(
                    width,
                    stride=2 if stage > 1 and index == 0 else 1,
                    bottleneck=self.depth == 50,
                    branches=sum(BLOCKS[self.depth]),
                    name=f"layer{stage}_{index}",
                    **options,
                )(x)
            levels.append(x)
        return tuple(levels)


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions, or 1 x 1, 3 x 3 and 1 x 1 (bottleneck), added to their input.

    Attributes:
        width: channels of the 3 x 3 convolutions.
        conv: the convolution, called like `flax.linen.Conv`.
        stride: stride of the first 3 x 3 convolution, and of the shortcut.
        bottleneck: whether it is a bottleneck block.
        branches: number of blocks of the network. The initial variance of a branch is inversely
            proportional to it, so that the sum of all branches does not grow with the depth.
        dtype: type of the computation.
    """

    width: int
    conv: Callable[..., nn.Module]
    stride: int = 1
    bottleneck: bool = False
    branches: int = 1
    dtype: Any = None

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Maps `(N, H, W, C)` to `(N, H / stride, W / stride, width or 4 width)`, rounded up."""
        three = functools.partial(layer, self.conv, dtype=self.dtype)
        one = functools.partial(layer, nn.Conv, size=1, dtype=self.dtype)
        small = nn.initializers.variance_scaling(2 / self.branches, "fan_in", "truncated_normal")
        features = self.width * (_EXPANSION if self.bottleneck else 1)
        if self.bottleneck:
            y = nn.relu(one(self.width, name="conv1")(x))
            y = nn.relu(three(self.width, stride=self.stride, name="conv2")(y))
            y = one(features, kernel_init=small, name="conv3")(y)
        else:
            y = nn.relu(three(self.width, stride=self.stride, name="conv1")(x))
            y = three(features, kernel_init=small, name="conv2")(y)
        if self.stride != 1 or x.shape[-1] != features:
            x = one(features, stride=self.stride, name="downsample")(x)
        return nn.relu(x + y)


def _max_pool(x: jax.Array) -> jax.Array:
    """3 x 3 max pooling with stride 2, padded with -inf, which never wins."""
    padding = ((0, 0), (1, 1), (1, 1), (0, 0))
    return lax.reduce_window(x, -jnp.inf, lax.max, (1, 3, 3, 1), (1, 2, 2, 1), padding)


ResNet18 = functools.partial(ResNet, 18)
ResNet34 = functools.partial(ResNet, 34)
ResNet50 = functools.partial(ResNet, 50)
