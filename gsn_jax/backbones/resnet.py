"""ResNet-18, 34 and 50 (He et al., CVPR 2016) as trunks of central difference convolutions.

The variant is torchvision's and timm's: a bottleneck block strides in its 3 x 3 convolution.
"""

from __future__ import annotations

import functools
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from gsn_jax.backbones.imagenet import TrunkConvolution, normalise_images

# Blocks per stage.
BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3)}
WIDTHS = (64, 128, 256, 512)
_EXPANSION = 4  # of the bottleneck blocks of ResNet-50

NORMS = ("none", "batch")


class ResNetTrunk(nn.Module):
    """The rectified stem and the four stages of a ResNet.

    The 7 x 7 stem and the 3 x 3 convolutions are CDC; 1 x 1 convolutions have no surround and stay
    plain. With kernels from `gsn_jax.layers.init_from_plain` it is the published network exactly.
    Borders are the network's: zeros around the normalised image and the features, so every level
    has half the size of the one before, rounded up.

    Attributes:
        depth: 18, 34 or 50.
        level_count: how many levels, 1 to 5: the stem at half the resolution, then the stages.
        theta: share of the central difference.
        norm: "batch" keeps batch normalisation as an affine map with the running statistics it was
            loaded with, its scale and bias trainable; "none" has it folded into the convolutions.
        dtype: type of the computation.
        remat: recompute each block in the backward pass instead of storing it.
        axis_name: unused, no statistics of a batch are taken.
    """

    depth: int = 18
    level_count: int = 5
    theta: float = 0.7
    norm: str = "none"
    dtype: Any = None
    remat: bool = False
    axis_name: Any = None

    def check_settings(self) -> None:
        """Raises a ValueError that names the first setting that does not fit."""
        if self.depth not in BLOCKS:
            raise ValueError(f"depth must be one of {tuple(BLOCKS)}, got {self.depth}")
        if self.norm not in NORMS:
            raise ValueError(f"norm must be one of {NORMS}, got {self.norm!r}")
        if not 1 <= self.level_count <= len(WIDTHS) + 1:
            raise ValueError(f"a ResNet has 1 to {len(WIDTHS) + 1} levels, got {self.level_count}")

    @property
    def strides(self) -> tuple[int, ...]:
        """Image pixels per feature of each level."""
        return tuple(2 ** (level + 1) for level in range(self.level_count))

    @property
    def min_size(self) -> int:
        """Smallest height and width of which every level has something left."""
        return 1

    @property
    def centre(self) -> float:
        """Pixel, along both axes, on which the last level's first feature is centred.

        All windows are odd, with as much of a border before the image as after it.
        """
        return 0

    @nn.compact
    def __call__(self, images: jax.Array, train: bool = False) -> tuple[jax.Array, ...]:
        """Features `(N, H / s, W / s, C)` of `(N, H, W, 3)` in [0, 1], s of `strides`."""
        self.check_settings()
        options = {"theta": self.theta, "norm": self.norm, "dtype": self.dtype}
        block = nn.remat(ResidualBlock, static_argnums=(2,)) if self.remat else ResidualBlock
        stem = TrunkConvolution(
            WIDTHS[0], kernel_size=(7, 7), strides=(2, 2), name="stem", **options
        )
        x = nn.relu(stem(normalise_images(images), train))
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
                )(x, train)
            levels.append(x)
        return tuple(levels)


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions, or 1 x 1, 3 x 3 and 1 x 1 (bottleneck), added to their input.

    Attributes:
        width: channels of the 3 x 3 convolutions.
        stride: of the first 3 x 3 convolution, and of the input where they are added.
        bottleneck: whether the block is one.
        branches: number of blocks of the network; without pretrained weights the branches start
            so small that their sum does not grow with it.
        theta: share of the central difference.
        norm: "none" or "batch".
        dtype: type of the computation.
    """

    width: int
    stride: int = 1
    bottleneck: bool = False
    branches: int = 1
    theta: float = 0.7
    norm: str = "none"
    dtype: Any = None

    @nn.compact
    def __call__(self, x: jax.Array, train: bool = False) -> jax.Array:
        """Maps `(N, H, W, C)` to `(N, H / stride, W / stride, width or 4 width)`."""
        options = {"theta": self.theta, "norm": self.norm, "dtype": self.dtype}
        convolution = functools.partial(TrunkConvolution, **options)
        strides = (self.stride, self.stride)
        small = nn.initializers.variance_scaling(2 / self.branches, "fan_in", "truncated_normal")
        features = self.width * (_EXPANSION if self.bottleneck else 1)
        if self.bottleneck:
            y = nn.relu(convolution(self.width, kernel_size=(1, 1), name="conv1")(x, train))
            y = nn.relu(convolution(self.width, strides=strides, name="conv2")(y, train))
            y = convolution(features, kernel_size=(1, 1), kernel_init=small, name="conv3")(y, train)
        else:
            y = nn.relu(convolution(self.width, strides=strides, name="conv1")(x, train))
            y = convolution(features, kernel_init=small, name="conv2")(y, train)
        if self.stride != 1 or x.shape[-1] != features:
            shortcut = convolution(features, kernel_size=(1, 1), strides=strides, name="downsample")
            x = shortcut(x, train)
        return nn.relu(x + y)


def _max_pool(x: jax.Array) -> jax.Array:
    """Maximum over 3 x 3 with stride 2; one row and column beyond the border that never wins."""
    padding = ((0, 0), (1, 1), (1, 1), (0, 0))
    return lax.reduce_window(x, -jnp.inf, lax.max, (1, 3, 3, 1), (1, 2, 2, 1), padding)


resnet18 = functools.partial(ResNetTrunk, depth=18)
resnet34 = functools.partial(ResNetTrunk, depth=34)
resnet50 = functools.partial(ResNetTrunk, depth=50)
