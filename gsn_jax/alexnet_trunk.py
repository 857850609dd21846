"""AlexNet (Krizhevsky 2014, torchvision's widths) as a trunk of central difference convolutions."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax

from gsn_jax.imagenet_trunks import TrunkConvolution, normalise_images, require_no_norm
from gsn_jax.metrics.imagenet_features import max_pool

# Channels, kernel size, stride and border of each convolution.
LAYERS = ((64, 11, 4, 2), (192, 5, 1, 2), (384, 3, 1, 1), (256, 3, 1, 1), (256, 3, 1, 1))

_POOLED = (1, 2)  # the layers that see pooled features
_STRIDES = (4, 8, 16, 16, 16)
_MIN_SIZES = (7, 15, 31, 31, 31)


class AlexNetTrunk(nn.Module):
    """The five rectified convolutions of AlexNet, each as CDC, the 11 x 11 stem too.

    With kernels from `gsn_jax.layers.init_from_plain` it is the published network exactly. Borders
    are the network's: zeros around the normalised image and the features, two around the image;
    rows and columns that fill no whole window of the stem or of a pooling are left out.

    Attributes:
        level_count: how many levels, 1 to 5, from the first.
        theta: share of the central difference.
        norm: "none"; AlexNet has no normalisation.
        dtype: type of the computation.
        remat: recompute each level in the backward pass instead of storing it.
        axis_name: unused, the trunk has no batch statistics.
    """

    level_count: int = 5
    theta: float = 0.7
    norm: str = "none"
    dtype: Any = None
    remat: bool = False
    axis_name: Any = None

    def check_settings(self) -> None:
        """Raises a ValueError that names the first setting that does not fit."""
        require_no_norm("alexnet", self.norm)
        if not 1 <= self.level_count <= len(LAYERS):
            raise ValueError(f"alexnet has 1 to {len(LAYERS)} levels, got {self.level_count}")

    @property
    def strides(self) -> tuple[int, ...]:
        """Image pixels per feature of each level."""
        return _STRIDES[: self.level_count]

    @property
    def min_size(self) -> int:
        """Smallest height and width of which every level has something left."""
        return _MIN_SIZES[self.level_count - 1]

    @nn.compact
    def __call__(self, images: jax.Array, train: bool = False) -> tuple[jax.Array, ...]:
        """Features `(N, about H / s, about W / s, C)` of `(N, H, W, 3)` in [0, 1]."""
        self.check_settings()
        convolution = TrunkConvolution
        if self.remat:
            convolution = nn.remat(TrunkConvolution, static_argnums=(2,))
        x, levels = normalise_images(images), []
        for index, (width, size, stride, border) in enumerate(LAYERS[: self.level_count]):
            if index in _POOLED:
                x = max_pool(x, 3)
            layer = convolution(
                width,
                kernel_size=(size, size),
                strides=(stride, stride),
                padding=border,
                theta=self.theta,
                dtype=self.dtype,
                name=f"conv{index + 1}",
            )
            x = nn.relu(layer(x, train))
            levels.append(x)
        return tuple(levels)
