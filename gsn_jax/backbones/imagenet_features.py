"""Features of AlexNet and VGG16 as pure functions of their convolutions, for LPIPS and DISTS.

Everything here computes in float32 and works on `(N, H, W, C)`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from gsn_jax.backbones.fast_convolution import convolve

# (kernel (height, width, in, out), bias (out,)) of each layer
Convolutions = Sequence[tuple[jax.Array | np.ndarray, jax.Array | np.ndarray]]

_VGG16_LEVELS = ((0, 1), (2, 3), (4, 5, 6), (7, 8, 9), (10, 11, 12))
_ALEXNET_POOLED = (1, 2)  # the layers that see pooled features


def as_batch(*images: jax.Array) -> tuple[jax.Array, tuple[int, ...]]:
    """Stacks arrays `(..., H, W, C)` to one float32 batch; also gives their leading shape."""
    flat = [jnp.reshape(image, (-1, *image.shape[-3:])) for image in images]
    return jnp.concatenate(flat).astype(jnp.float32), images[0].shape[:-3]


def alexnet_features(convolutions: Convolutions, images: jax.Array) -> list[jax.Array]:
    """The five rectified convolutions of AlexNet (Krizhevsky 2014, torchvision's widths).

    Args:
        convolutions: five layers of 64, 192, 384, 256 and 256 channels.
        images: `(N, H, W, 3)`, normalised, at least 31 x 31.

    Returns:
        Five arrays `(N, h, w, C)` with strides 4, 8, 16, 16 and 16.
    """
    features = images
    levels: list[jax.Array] = []
    for index, (kernel, bias) in enumerate(convolutions):
        if index in _ALEXNET_POOLED:
            features = max_pool(features, 3)
        convolved = convolve(features, kernel) if index else _alexnet_stem(features, kernel)
        features = jax.nn.relu(convolved + bias)
        levels.append(features)
    return levels


def vgg16_features(
    convolutions: Convolutions, images: jax.Array, pool: Callable[[jax.Array], jax.Array]
) -> list[jax.Array]:
    """The last rectified convolution of each level of VGG16 (Simonyan and Zisserman, ICLR 2015).

    Args:
        convolutions: thirteen layers, as in `pretrained.packages.imagenet_convolutions`.
        images: `(N, H, W, 3)`, normalised.
        pool: how a level's features are halved before the next level.

    Returns:
        relu1_2, relu2_2, relu3_3, relu4_3 and relu5_3: five arrays `(N, h, w, C)` of 64, 128, 256,
        512 and 512 channels with strides 1, 2, 4, 8 and 16.
    """
    features = images
    levels: list[jax.Array] = []
    for level in _VGG16_LEVELS:
        features = pool(features) if levels else features
        for index in level:
            kernel, bias = convolutions[index]
            features = jax.nn.relu(convolve(features, kernel) + bias)
        levels.append(features)
    return levels


def max_pool(features: jax.Array, window: int) -> jax.Array:
    """Maximum over windows with stride 2, no padding; incomplete windows are left out (floor)."""
    return lax.reduce_window(
        features, -jnp.inf, lax.max, (1, window, window, 1), (1, 2, 2, 1), "VALID"
    )


def l2_pool(features: jax.Array) -> jax.Array:
    """Weighted L2 pooling of DISTS with stride 2 (Henaff and Simoncelli, ICLR 2016).

    The root of the squares' average under a 3 x 3 Hann window (1/4, 1/2, 1/4 along each axis),
    zeros beyond the border; 1e-12 under the root keeps its gradient finite.
    """
    averages = jnp.square(features)
    for axis in (1, 2):
        averages = _hann_stride_2(averages, axis)
    return jnp.sqrt(averages + 1e-12)


def _hann_stride_2(values: jax.Array, axis: int) -> jax.Array:
    """(1/4, 1/2, 1/4) around every second element along `axis`, as a sum of shifted slices."""
    length = values.shape[axis]
    padding = [(0, 0)] * values.ndim
    padding[axis] = (1, 1)
    padded = jnp.pad(values, padding)
    size = (length + 1) // 2

    def taps(start: int) -> jax.Array:
        return lax.slice_in_dim(padded, start, start + 2 * size - 1, 2, axis)

    return 0.25 * (taps(0) + taps(2)) + 0.5 * taps(1)


def _alexnet_stem(images: jax.Array, kernel: jax.Array | np.ndarray) -> jax.Array:
    """The first convolution: 11 x 11 with stride 4, two zeros beyond the border."""
    return lax.conv_general_dilated(
        images,
        jnp.asarray(kernel),
        (4, 4),
        [(2, 2), (2, 2)],
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )
