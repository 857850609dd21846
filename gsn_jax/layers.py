"""The layers of the GSN: central difference convolution and spatial attention.

Like `flax.linen.Conv`, both accept an implementation of the convolution as an argument.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

Initializer = Callable[..., jax.Array]
ConvGeneralDilated = Callable[..., jax.Array]

_NHWC = ("NHWC", "HWIO", "NHWC")


def central_difference_kernel(
    kernel: Float[Array, "kh kw in out"], theta: float
) -> Float[Array, "kh kw in out"]:
    """The plain kernel whose ONE convolution equals central difference convolution.

    The centre tap becomes w_c - theta * sum_k w_k; all others stay.

    Args:
        kernel: kh and kw odd. A NumPy array gives a NumPy array.
        theta: share of the central difference, 0 (plain convolution) to 1.

    Raises:
        ValueError: the kernel size is even, so that it has no centre, and theta is not 0.
    """
    return _add_to_centre(kernel, -theta)


def init_from_plain(
    kernel: Float[Array, "kh kw in out"], theta: float
) -> Float[Array, "kh kw in out"]:
    """The kernel whose central difference convolution equals the plain convolution of `kernel`.

    The inverse of `central_difference_kernel`: the centre tap becomes
    w_c + theta / (1 - theta) * sum_k w_k. It converts pretrained plain weights exactly.

    Args:
        kernel: kh and kw odd. A NumPy array gives a NumPy array.
        theta: share of the central difference, 0 <= theta < 1.

    Raises:
        ValueError: theta is outside [0, 1) (at 1, the kernel's sum would be lost), or the kernel
            size is even and theta is not 0.
    """
    if not 0 <= theta < 1:
        raise ValueError(f"init_from_plain needs 0 <= theta < 1, got {theta}")
    return _add_to_centre(kernel, theta / (1 - theta))


def _add_to_centre(kernel: Any, share: float) -> Any:
    if share == 0:
        return kernel
    height, width = kernel.shape[:2]
    if height % 2 == 0 or width % 2 == 0:
        raise ValueError(f"central difference needs odd kernel sizes, got {height} x {width}")
    added = share * kernel.sum(axis=(0, 1))
    if isinstance(kernel, np.ndarray):
        result = kernel.copy()
        result[height // 2, width // 2] += added
        return result
    return kernel.at[height // 2, width // 2].add(added)


def central_difference_convolution_two_terms(
    x: Float[Array, "n h w in"],
    kernel: Float[Array, "kh kw in_group out"],
    theta: float,
    strides: Sequence[int] = (1, 1),
    groups: int = 1,
) -> Float[Array, "n h_out w_out out"]:
    """The definition: conv(x, w) - theta * conv1x1(x, sum_k w_k), at the window's centre.

    Yu et al., "Searching Central Difference Convolutional Networks for Face Anti-Spoofing",
    CVPR 2020, eq. 4. Costs two convolutions; `CDConv` computes the equal single one.

    Args:
        x: features.
        kernel: kh and kw odd.
        theta: share of the central difference, 0 to 1.
        strides: step in height and width.
        groups: number of channel groups.
    """
    centre = convolve(x, kernel.sum(axis=(0, 1), keepdims=True), strides, groups)
    return convolve(x, kernel, strides, groups) - theta * centre


def convolve(
    x: Float[Array, "n h w in"],
    kernel: Float[Array, "kh kw in_group out"],
    strides: Sequence[int] = (1, 1),
    groups: int = 1,
    padding: int | None = None,
    make_convolution: Callable[[], ConvGeneralDilated] | None = None,
) -> Float[Array, "n h_out w_out out"]:
    """Convolution with `padding` zeros on every side; None for half the kernel size.

    With half the kernel size, window i is centred on i * stride, and the result has
    ceil(h / strides[0]) rows and ceil(w / strides[1]) columns. `make_convolution` returns a
    replacement for `jax.lax.conv_general_dilated`.
    """
    convolution = make_convolution() if make_convolution else jax.lax.conv_general_dilated
    return convolution(
        x,
        kernel,
        tuple(strides),
        [(size // 2 if padding is None else padding,) * 2 for size in kernel.shape[:2]],
        dimension_numbers=_NHWC,
        feature_group_count=groups,
    )


class CDConv(nn.Module):
    """Central difference convolution (Yu et al., CVPR 2020).

    Defined as y = conv(x, w) - theta * conv1x1(x, sum_k w_k), see
    `central_difference_convolution_two_terms`. Computed as one convolution with the kernel of
    `central_difference_kernel`, which gives the same result and gradients, at borders and with
    strides too.

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
        kernel_init: initialiser of the *folded* kernel. If it initialised the kernel itself,
            folding would multiply the sum of the kernel by 1 - theta, and the layer would start
            almost blind to the mean of its input. For theta = 1, it initialises the kernel itself.
        bias_init: initialiser of the bias.
        conv_general_dilated_cls: returns the convolution to use, as in `flax.linen.Conv`; None for
            XLA's.
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
    conv_general_dilated_cls: Callable[[], ConvGeneralDilated] | None = None

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
                f"{x.shape[-1]} input and {self.features} output channels must be divisible by "
                f"{groups} groups"
            )
        shape = (*self.kernel_size, x.shape[-1] // groups, self.features)
        kernel = self.param("kernel", self._init_kernel, shape, self.param_dtype)
        # Folded in the parameters' precision: the sum over the window must not round in bfloat16.
        kernel = central_difference_kernel(kernel, self.theta)
        dtype = self.dtype or x.dtype
        x, kernel = x.astype(dtype), kernel.astype(dtype)
        y = convolve(x, kernel, self.strides, groups, self.padding, self.conv_general_dilated_cls)
        if self.use_bias:
            bias = self.param("bias", self.bias_init, (self.features,), self.param_dtype)
            # In the parameters' precision, or the bias's gradient would be summed in bfloat16.
            y = (y + bias).astype(dtype)
        return y

    def _init_kernel(self, key: jax.Array, shape: Sequence[int], dtype: Any) -> jax.Array:
        kernel = self.kernel_init(key, shape, dtype)
        return init_from_plain(kernel, self.theta) if self.theta < 1 else kernel


@jax.custom_jvp
def channel_maximum(x: Float[Array, "*batch c"]) -> Float[Array, "*batch 1"]:
    """The maximum over the channels; channels that tie share the gradient.

    The gradient of `jnp.max` is 0 / 0 where no channel equals the maximum. That happens when the
    compiler computes `x` twice, with different rounding.
    """
    return x.max(axis=-1, keepdims=True)


@channel_maximum.defjvp
def _channel_maximum_jvp(primals: tuple, tangents: tuple) -> tuple[jax.Array, jax.Array]:
    (x,), (change,) = primals, tangents
    maximum = channel_maximum(x)
    largest = (x >= maximum).astype(x.dtype)
    count = jnp.maximum(largest.sum(axis=-1, keepdims=True), 1)
    return maximum, (largest * change).sum(axis=-1, keepdims=True) / count


class SpatialAttention(nn.Module):
    """Spatial attention of CBAM (Woo et al., ECCV 2018, eq. 5), without bias.

    x * sigmoid(conv_k([mean over channels; maximum over channels])); keeps the shape
    `(N, H, W, C)`.

    Attributes:
        kernel_size: k, odd; CDCN++ uses 7, 5, 3 for the low, middle and high level.
        dtype: type of the computation; None takes the input's.
        param_dtype: type of the parameters.
        conv_general_dilated_cls: returns the convolution to use, as in `flax.linen.Conv`; None for
            XLA's.
    """

    kernel_size: int = 7
    dtype: Any = None
    param_dtype: Any = jnp.float32
    conv_general_dilated_cls: Callable[[], ConvGeneralDilated] | None = None

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
        pooled = jnp.concatenate([x.mean(axis=-1, keepdims=True), channel_maximum(x)], axis=-1)
        logits = convolve(
            pooled.astype(dtype),
            kernel.astype(dtype),
            make_convolution=self.conv_general_dilated_cls,
        )
        return (x * nn.sigmoid(logits)).astype(given)
