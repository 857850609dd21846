"""What trunks with ImageNet weights have in common: their input, and their convolutions as CDC."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from gsn_jax.backbones.cdcn import BATCH_NORM_EPSILON
from gsn_jax.layers import CDConv, Initializer

# Of sRGB in [0, 1], for every network of torchvision and nearly every one of timm.
MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)


WHOLE, PUBLISHED = "whole", "published"

# What a trunk does at the right and lower border. "published": as the network was trained, rows
# and columns that fill no whole window of the stem or of a pooling are left out. "whole": windows
# that reach over the border see zeros there, so that no pixel is left out, levels halve exactly,
# and images of any size can be computed in few shapes and in tiles. Elsewhere both are equal.
BORDERS = (WHOLE, PUBLISHED)


def require_borders(borders: str) -> None:
    """Raises a ValueError unless `borders` is one of `BORDERS`."""
    if borders not in BORDERS:
        raise ValueError(f"borders must be one of {BORDERS}, got {borders!r}")


def pool_whole(features: jax.Array, window: int) -> jax.Array:
    """Maximum over windows with stride 2 of rectified features, zeros below and to the right.

    Maps `(N, H, W, C)` to `(N, ceil(H / 2), ceil(W / 2), C)`. As maxima of shifted features, which
    on a CPU are faster than XLA's own pooling.
    """
    for axis in (1, 2):
        length = features.shape[axis]
        count = (length + length % 2) // 2  # as `trunks.halve`: exporters compare such formulas
        border = [(0, 0)] * features.ndim
        border[axis] = (0, 2 * (count - 1) + window - length)
        padded = jnp.pad(features, border)
        shifted = [
            lax.slice_in_dim(padded, start, start + 2 * count - 1, 2, axis)
            for start in range(window)
        ]
        features = functools.reduce(jnp.maximum, shifted)
    return features


def normalise_images(images: jax.Array) -> jax.Array:
    """What the published networks expect of `(N, H, W, 3)` in [0, 1], sRGB."""
    return (images - jnp.asarray(MEAN, images.dtype)) / jnp.asarray(DEVIATION, images.dtype)


def require_no_norm(trunk: str, norm: str) -> None:
    """Raises a ValueError unless `norm` is "none": the published network has no normalisation."""
    if norm != "none":
        raise ValueError(f"trunk {trunk!r} has no normalisation: norm must be 'none', got {norm!r}")


class TrunkConvolution(nn.Module):
    """A convolution of a published network as CDC, with bias or batch normalisation.

    Its parameters are `{"cdc": ...}`, or `{"plain": ...}` for 1 x 1, which has no surround to
    differ from; with normalisation `"norm"` beside it. Batch normalisation always uses the running
    statistics it was loaded with: an affine map per channel whose scale and bias train.

    Attributes:
        features: number of output channels.
        kernel_size: height and width.
        strides: step in height and width.
        padding: zeros beyond each border; None for half the kernel.
        theta: share of the central difference.
        norm: "none" (a bias in its place) or "batch".
        dtype: type of the computation.
        kernel_init: distribution of the folded kernel at the start.
    """

    features: int
    kernel_size: Sequence[int] = (3, 3)
    strides: Sequence[int] = (1, 1)
    padding: int | None = None
    theta: float = 0.7
    norm: str = "none"
    dtype: Any = None
    kernel_init: Initializer = nn.initializers.he_normal()

    @nn.compact
    def __call__(self, x: jax.Array, train: bool = False) -> jax.Array:
        """Maps `(N, H, W, C)` to `(N, h, w, features)`, before the activation."""
        surround = tuple(self.kernel_size) != (1, 1)
        x = CDConv(
            self.features,
            kernel_size=self.kernel_size,
            strides=self.strides,
            padding=self.padding,
            theta=self.theta if surround else 0.0,
            use_bias=self.norm == "none",
            dtype=self.dtype,
            kernel_init=self.kernel_init,
            fast=not train,
            name="cdc" if surround else "plain",
        )(x)
        if self.norm == "batch":
            x = nn.BatchNorm(
                use_running_average=True,
                epsilon=BATCH_NORM_EPSILON,
                dtype=self.dtype,
                name="norm",
            )(x)
        return x
