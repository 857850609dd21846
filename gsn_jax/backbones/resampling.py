"""Halving features and images: average, max and L2 pooling, space to depth."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from gsn_jax.backbones.padded import Sizes, at_stride, clear, halved, repeat_edge


def halve(x: Float[Array, "n h w c"], sizes: Sizes = None) -> Float[Array, "n h2 w2 c"]:
    """2 x 2 average pooling; an odd last row or column is repeated, so that no pixel is dropped.

    Maps `(N, H, W, C)` to `(N, ceil(H / 2), ceil(W / 2), C)`. With true `sizes`, `x` must be zero
    beyond the images (see `gsn_jax.backbones.padded.clear`), and so is the result.
    """
    wide = x.astype(jnp.promote_types(x.dtype, jnp.float32))  # bfloat16 is rounded once
    if sizes is None:
        return (_block_sums(_pad_to_even(wide)) * 0.25).astype(x.dtype)
    height, width = x.shape[1:3]
    wide = jnp.pad(wide, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)))
    return (_block_sums(wide) * _reciprocal_counts(sizes, *wide.shape[1:3])).astype(x.dtype)


def reduce_to(
    x: Float[Array, "n h w c"], stride: int, target: int, sizes: Sizes = None
) -> Float[Array, "n h2 w2 c"]:
    """Averages features over the cells of a coarser stride, by repeated `halve`.

    Args:
        x: features.
        stride: image pixels per feature, a power of two.
        target: stride of the result, a power of two; a finer one leaves `x` as it is.
        sizes: true sizes of the images in pixels, see `gsn_jax.backbones.padded`.
    """
    return reduce_by(x, target // stride, at_stride(sizes, stride))


def reduce_by(x: Float[Array, "n h w c"], factor: int, sizes: Sizes = None) -> jax.Array:
    """Averages over `factor` x `factor` positions, a power of two; `sizes` are those of `x`."""
    while factor > 1:
        x, sizes, factor = halve(x, sizes), halved(sizes), factor // 2
    return x


def max_pool(x: Float[Array, "n h w c"], window: int) -> Float[Array, "n h2 w2 c"]:
    """Max pooling of rectified features with stride 2, with zeros below and to the right.

    Maps `(N, H, W, C)` to `(N, ceil(H / 2), ceil(W / 2), C)`.
    """
    for axis in (1, 2):
        length = x.shape[axis]
        count = (length + 1) // 2  # as in `halve`: exporters compare the formulas
        border = [(0, 0)] * x.ndim
        border[axis] = (0, 2 * (count - 1) + window - length)
        x = _every_second_maximum(jnp.pad(x, border), window, count, axis)
    return x


def max_pool_complete(x: Float[Array, "n h w c"], window: int) -> Float[Array, "n h2 w2 c"]:
    """Max pooling over complete windows with stride 2, as in the published AlexNet and VGG16.

    Maps `(N, H, W, C)` to `(N, floor((H - window) / 2) + 1, floor((W - window) / 2) + 1, C)`.
    """
    for axis in (1, 2):
        x = _every_second_maximum(x, window, (x.shape[axis] - window) // 2 + 1, axis)
    return x


def l2_pool(x: Float[Array, "n h w c"]) -> Float[Array, "n h2 w2 c"]:
    """Weighted L2 pooling of DISTS with stride 2 (Henaff and Simoncelli, ICLR 2016).

    The root of the average of squares under a 3 x 3 Hann window (1/4, 1/2, 1/4 along each axis),
    with zeros beyond the border; 1e-12 under the root keeps its gradient finite. Maps
    `(N, H, W, C)` to `(N, ceil(H / 2), ceil(W / 2), C)`.
    """
    averages = jnp.square(x)
    for axis in (1, 2):
        averages = _hann_stride_2(averages, axis)
    return jnp.sqrt(averages + 1e-12)


def space_to_depth(x: Float[Array, "n h w c"], sizes: Sizes = None) -> Float[Array, "n h2 w2 4*c"]:
    """Moves the pixels of every 2 x 2 block into channels, without loss.

    Maps `(N, H, W, C)` to `(N, ceil(H / 2), ceil(W / 2), 4 C)`; odd and true sizes as in `halve`.
    """
    x = _pad_to_even(repeat_edge(x, sizes))
    batch, height, width, channels = x.shape
    x = x.reshape(batch, height // 2, 2, width // 2, 2, channels)
    x = x.transpose(0, 1, 3, 2, 4, 5).reshape(batch, height // 2, width // 2, 4 * channels)
    return clear(x, halved(sizes))


def _block_sums(x: jax.Array) -> jax.Array:
    """Sums over 2 x 2, as a sum of four planes: several times faster on a CPU than XLA's `sum`."""
    batch, height, width, channels = x.shape
    x = x.reshape(batch, height // 2, 2, width // 2, 2, channels)
    return x[:, :, 0, :, 0] + x[:, :, 0, :, 1] + x[:, :, 1, :, 0] + x[:, :, 1, :, 1]


@functools.partial(jax.jit, static_argnums=(1, 2))  # traced once per shape
def _reciprocal_counts(sizes: Int[Array, "n 2"], height: int, width: int) -> jax.Array:
    """One over the number of pixels inside each 2 x 2 block, `(N, height / 2, width / 2, 1)`.

    The mean over the pixels inside equals the mean with the odd last row repeated.
    """
    rows, columns = (
        1 / jnp.clip(sizes[:, axis, None] - jnp.arange(0, length, 2), 1, 2).astype(jnp.float32)
        for axis, length in enumerate((height, width))
    )
    return rows[:, :, None, None] * columns[:, None, :, None]


def _pad_to_even(x: jax.Array) -> jax.Array:
    _, height, width, _ = x.shape
    if isinstance(height, int) and isinstance(width, int):  # a form that every exporter supports
        if height % 2 == 0 and width % 2 == 0:
            return x
        x = jnp.concatenate([x, x[:, -1:]], axis=1) if height % 2 else x
        return jnp.concatenate([x, x[:, :, -1:]], axis=2) if width % 2 else x
    # This symbolic form stays short when repeated: (h + h % 2) // 2 doubles with every halving.
    beyond = [2 * ((length + 1) // 2) - length for length in (height, width)]
    return jnp.pad(x, ((0, 0), (0, beyond[0]), (0, beyond[1]), (0, 0)), mode="edge")


def _every_second_maximum(x: jax.Array, window: int, count: int, axis: int) -> jax.Array:
    """Maxima of shifted features, which on a CPU is faster than XLA's own pooling."""
    shifted = [
        lax.slice_in_dim(x, start, start + 2 * count - 1, 2, axis) for start in range(window)
    ]
    return functools.reduce(jnp.maximum, shifted)


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
