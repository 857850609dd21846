"""The layers GSN is made of: central difference convolution and spatial attention."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from gsn_jax.backbones import fast_convolution, kernel_gradients

Initializer = Callable[..., jax.Array]


def central_difference_kernel(kernel: jax.Array, theta: float) -> jax.Array:
    """The plain kernel that does in ONE convolution what central difference convolution defines.

    The centre tap becomes w_c - theta * sum_k w_k; all others stay.

    Args:
        kernel: `(kh, kw, in, out)`, kh and kw odd.
        theta: share of the central difference, 0 (plain convolution) to 1.

    Raises:
        ValueError: an even kernel size has no centre.
    """
    if theta == 0:
        return kernel
    row, column = _centre(kernel.shape)
    if isinstance(kernel, np.ndarray):  # loading a model compiles nothing
        folded = kernel.copy()
        folded[row, column] -= theta * kernel.sum(axis=(0, 1))
        return folded
    return kernel.at[row, column].add(-theta * kernel.sum(axis=(0, 1)))


def init_from_plain(kernel: jax.Array, theta: float) -> jax.Array:
    """The kernel whose central difference convolution equals the plain convolution of `kernel`.

    The inverse of `central_difference_kernel`: the centre tap becomes
    w_c + theta / (1 - theta) * sum_k w_k. This carries pretrained plain weights over exactly.

    Args:
        kernel: `(kh, kw, in, out)`, kh and kw odd.
        theta: share of the central difference, 0 <= theta < 1.

    Raises:
        ValueError: theta is 1 or more (the kernel sum is lost then), or an even kernel size.
    """
    if theta == 0:
        return kernel
    if not 0 <= theta < 1:
        raise ValueError(f"init_from_plain needs 0 <= theta < 1, got {theta}")
    row, column = _centre(kernel.shape)
    return kernel.at[row, column].add(theta / (1 - theta) * kernel.sum(axis=(0, 1)))


def _centre(shape: Sequence[int]) -> tuple[int, int]:
    height, width = shape[:2]
    if height % 2 == 0 or width % 2 == 0:
        raise ValueError(f"central difference needs odd kernel sizes, got {height} x {width}")
    return height // 2, width // 2


def convolve(
    x: jax.Array,
    kernel: jax.Array,
    strides: Sequence[int] = (1, 1),
    groups: int = 1,
    padding: int | None = None,
) -> jax.Array:
    """Convolution with k // 2 zeros on every side, so that window i is centred on i * stride.

    Args:
        x: `(N, H, W, in)`.
        kernel: `(kh, kw, in / groups, out)`.
        strides: step in height and width.
        groups: number of channel groups.
        padding: another number of zeros on every side.

    Returns:
        `(N, ceil(H / strides[0]), ceil(W / strides[1]), out)` for odd kernel sizes and k // 2
        zeros.
    """
    return jax.lax.conv_general_dilated(
        x,
        kernel,
        window_strides=tuple(strides),
        padding=[(size // 2 if padding is None else padding,) * 2 for size in kernel.shape[:2]],
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=groups,
    )


def central_difference_convolution_two_terms(
    x: jax.Array,
    kernel: jax.Array,
    theta: float,
    strides: Sequence[int] = (1, 1),
    groups: int = 1,
) -> jax.Array:
    """The definition: conv(x, w) - theta * conv1x1(x, sum_k w_k), at the window's centre.

    Yu et al., "Searching Central Difference Convolutional Networks for Face Anti-Spoofing",
    CVPR 2020, eq. 4. It costs two convolutions; `CDConv` computes the equal single one.

    Args:
        x: `(N, H, W, in)`.
        kernel: `(kh, kw, in / groups, out)`, kh and kw odd.
        theta: share of the central difference, 0 to 1.
        strides: step in height and width.
        groups: number of channel groups.
    """
    centre_term = convolve(x, kernel.sum(axis=(0, 1), keepdims=True), strides, groups)
    return convolve(x, kernel, strides, groups) - theta * centre_term


def from_plain_initializer(initializer: Initializer, theta: float) -> Initializer:
    """Draws a kernel whose *folded* form follows `initializer`.

    Without this a CDC layer starts with the mean of its input almost removed (the folded kernel
    sums to 1 - theta of what was drawn), and short trainings lag behind plain convolutions.
    At theta = 1 no such kernel exists and the draw is used as it is.
    """

    def init(key: jax.Array, shape: Sequence[int], dtype: Any = jnp.float32) -> jax.Array:
        kernel = initializer(key, shape, dtype)
        return init_from_plain(kernel, theta) if theta < 1 else kernel

    return init


class CDConv(nn.Module):
    """Central difference convolution (Yu et al., CVPR 2020).

    Defined as y = conv(x, w) - theta * conv1x1(x, sum_k w_k), see
    `central_difference_convolution_two_terms`; computed as one convolution with the kernel of
    `central_difference_kernel`, which is equal, borders, strides and gradients included.

    Maps `(N, H, W, in)` to `(N, ceil(H / s), ceil(W / s), features)`, zeros beyond the borders.

    Attributes:
        features: number of output channels.
        kernel_size: odd height and width.
        strides: step in height and width.
        padding: zeros beyond each border; None for half the kernel, which gives the size above.
        theta: share of the central difference; 0 is the plain convolution.
        use_bias: whether to add a learned bias per channel.
        feature_group_count: number of channel groups; divides both channel numbers.
        dtype: type of the computation, e.g. bfloat16; None takes the input's.
        param_dtype: type of the parameters.
        kernel_init: distribution of the *folded* kernel at the start.
        bias_init: distribution of the bias at the start.
        fast: on CPUs, compute wide convolutions of stride 1 with fewer products
            (`backbones.fast_convolution`), equal to a few 1e-6 of their range; for inference.
    """

    features: int
    kernel_size: Sequence[int] = (3, 3)
    strides: Sequence[int] = (1, 1)
    padding: int | None = None
    theta: float = 0.7
    use_bias: bool = False
    feature_group_count: int = 1
    dtype: Any = None
    param_dtype: Any = jnp.float32
    kernel_init: Initializer = nn.initializers.he_normal()
    bias_init: Initializer = nn.initializers.zeros_init()
    fast: bool = False

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Convolves `x`.

        Raises:
            ValueError: an even kernel size with theta > 0, theta outside [0, 1], or channel
                numbers that the groups do not divide.
        """
        if not 0 <= self.theta <= 1:
            raise ValueError(f"theta must lie in [0, 1], got {self.theta}")
        groups = self.feature_group_count
        if x.shape[-1] % groups or self.features % groups:
            raise ValueError(
                f"{groups} groups must divide {x.shape[-1]} input and {self.features} output "
                "channels"
            )
        shape = (*self.kernel_size, x.shape[-1] // groups, self.features)
        kernel = self.param(
            "kernel", from_plain_initializer(self.kernel_init, self.theta), shape, self.param_dtype
        )
        # Folded in the parameters' precision: the sum over the window must not round in bfloat16.
        kernel = central_difference_kernel(kernel, self.theta)
        dtype = self.dtype or x.dtype
        x, kernel = x.astype(dtype), kernel.astype(dtype)
        if self.fast and self._keeps_size():
            y = fast_convolution.convolve(x, kernel)
        elif kernel_gradients.is_local() and self._keeps_size():
            y = kernel_gradients.convolve(x, kernel)
        else:
            y = convolve(x, kernel, self.strides, groups, self.padding)
        if self.use_bias:
            bias = self.param("bias", self.bias_init, (self.features,), self.param_dtype)
            # In the parameters' precision, or the bias's gradient would be a sum in bfloat16.
            y = (y + bias).astype(dtype)
        return y

    def _keeps_size(self) -> bool:
        """Whether this is the convolution that the faster ones know."""
        height, width = self.kernel_size
        return (
            height == width
            and height > 1
            and tuple(self.strides) == (1, 1)
            and self.padding in (None, height // 2)
            and self.feature_group_count == 1
        )


class SpatialAttention(nn.Module):
    """Spatial attention of CBAM (Woo et al., ECCV 2018, eq. 5), without bias.

    x * sigmoid(conv_k([mean over channels; maximum over channels])), shape preserving for
    `(N, H, W, C)`.

    Attributes:
        kernel_size: k, odd; CDCN++ takes 7, 5, 3 for the low, middle and high level.
        dtype: type of the computation; None takes the input's.
        param_dtype: type of the parameters.
    """

    kernel_size: int = 7
    dtype: Any = None
    param_dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Weights every position of `x` by its attention in (0, 1)."""
        size = self.kernel_size
        kernel = self.param(
            "kernel", nn.initializers.lecun_normal(), (size, size, 2, 1), self.param_dtype
        )
        dtype = self.dtype or x.dtype
        # Rounded to bfloat16 once, not after every operation: more exact, and faster on CPUs.
        given = x.dtype
        x = x.astype(jnp.promote_types(given, self.param_dtype))
        pooled = jnp.concatenate(
            [x.mean(axis=-1, keepdims=True), x.max(axis=-1, keepdims=True)], axis=-1
        )
        local = kernel_gradients.is_local()
        convolution = kernel_gradients.convolve if local else convolve
        attention = nn.sigmoid(convolution(pooled.astype(dtype), kernel.astype(dtype)))
        return (x * attention).astype(given)
