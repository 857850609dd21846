"""AlexNet features of padded images, with given weights; rows beyond an image cost little."""

from __future__ import annotations

from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from gsn_jax.backbones import alexnet, fast_convolution
from gsn_jax.backbones.convolution import Weights
from gsn_jax.backbones.imagenet import normalise_images
from gsn_jax.backbones.padded import clear
from gsn_jax.backbones.resampling import max_pool_complete
from gsn_jax.images.size_classes import Extent

# Rows of each level that are computed at a time.
_ROWS = (16, 8, 8, 8, 8)


def features(
    image: Float[Array, "h w 3"], convolutions: Sequence[Weights], extent: Extent
) -> list[Float[Array, "_h _w c"]]:
    """The five levels of `AlexNet(complete_windows=True)`, zero beyond the image.

    Args:
        image: in [0, 1].
        convolutions: `(kernel, bias)` of each layer.
        extent: height and width of the image.
    """
    size = jnp.stack(extent)[None]
    x, levels = clear(normalise_images(image[None]), size), []
    insides = alexnet.AlexNet(complete_windows=True).level_sizes(size)
    for index, (weights, inside) in enumerate(zip(convolutions, insides, strict=True)):
        if index in alexnet.POOLED:
            x = clear(max_pool_complete(x, 3), inside)
        _, _, stride, border = alexnet.LAYERS[index]
        x = _rectified(x, weights, stride, border, _ROWS[index], inside[0, 0])
        x = clear(x, inside)
        levels.append(x[0])
    return levels


def _rectified(
    x: Float[Array, "1 h w c"], weights: Weights, stride: int, border: int, rows: int, needed: Array
) -> Float[Array, "1 _h _w _c"]:
    """Convolution and ReLU, `rows` rows at a time; the result is arbitrary from row `needed` on."""
    kernel, bias = weights
    size, height = kernel.shape[0], x.shape[1]
    count = (height + 2 * border - size) // stride + 1
    blocks = -(-count // rows)
    below = stride * (blocks * rows - 1) + size - height - border
    padded = jnp.pad(x, ((0, 0), (border, max(0, below)), (0, 0), (0, 0)))

    def compute(window: jax.Array) -> jax.Array:
        return nn.relu(_convolved(window, kernel, stride, border) + bias)

    def block(carry: None, start: Array) -> tuple[None, jax.Array]:
        length = stride * (rows - 1) + size
        window = lax.dynamic_slice_in_dim(padded, stride * start, length, axis=1)
        shape = jax.eval_shape(compute, window)
        nothing = jnp.zeros(shape.shape, shape.dtype)
        return carry, lax.cond(start < needed, compute, lambda _: nothing, window)[0]

    starts = rows * jnp.arange(blocks, dtype=jnp.int32)
    _, parts = lax.scan(block, None, starts)
    return parts.reshape(1, blocks * rows, *parts.shape[2:])[:, :count]


def _convolved(
    window: Float[Array, "1 h w c"], kernel: Array | np.ndarray, stride: int, border: int
) -> Float[Array, "1 _h _w _c"]:
    """Convolution without the rows whose windows extend beyond the first or the last row."""
    if stride == 1:
        return fast_convolution.convolve(window, kernel, complete_rows=True)
    return lax.conv_general_dilated(
        window,
        jnp.asarray(kernel),
        (stride, stride),
        [(0, 0), (border, border)],
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )
