"""The convolutions of the backbones: XLA's, or one that is faster on a CPU.

`context_convolution` is the value for Flax's `conv_general_dilated_cls`. The implementation depends
on the context in which the network is traced:

- by default the fast convolution of `fast_convolution`, for inference;
- within `training(one_device=True)` the one with the fast kernel gradient of `kernel_gradients`;
- within `training(one_device=False)` and `plain_convolutions()` XLA's own.
"""

from __future__ import annotations

import contextlib
import contextvars
import enum
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import flax.linen as nn
import jax
import numpy as np
from jax import lax

from gsn_jax.backbones import fast_convolution, kernel_gradients

# The kernel (height, width, in, out) and the bias (out,) of a layer.
Weights = tuple[jax.Array | np.ndarray, jax.Array | np.ndarray]


class _Kind(enum.Enum):
    INFERENCE = enum.auto()
    TRAINING = enum.auto()
    PLAIN = enum.auto()


_kind = contextvars.ContextVar("kind of convolution", default=_Kind.INFERENCE)


@contextlib.contextmanager
def training(*, one_device: bool) -> Iterator[None]:
    """Context, or decorator, in which networks are traced for a training step.

    Args:
        one_device: whether the step runs on one device. On several, XLA shards only its own
            convolutions.
    """
    with _chosen(_Kind.TRAINING if one_device else _Kind.PLAIN):
        yield


@contextlib.contextmanager
def plain_convolutions() -> Iterator[None]:
    """Context in which every convolution is traced as one XLA convolution, for exporters."""
    with _chosen(_Kind.PLAIN), fast_convolution.switched_off():
        yield


@contextlib.contextmanager
def _chosen(kind: _Kind) -> Iterator[None]:
    token = _kind.set(kind)
    try:
        yield
    finally:
        _kind.reset(token)


def conv_general_dilated(
    features: jax.Array,
    kernel: jax.Array,
    window_strides: Sequence[int],
    padding: Sequence[tuple[int, int]],
    *,
    feature_group_count: int = 1,
    **options: Any,
) -> jax.Array:
    """`jax.lax.conv_general_dilated` of NHWC features, implemented as the context says."""
    kind = _kind.get()
    dilations = (options.get("lhs_dilation"), options.get("rhs_dilation"))
    dilated = any(step not in (None, (1, 1)) for step in dilations)
    square = kernel.shape[0] == kernel.shape[1] > 1
    if kind is not _Kind.PLAIN and feature_group_count == 1 and square and not dilated:
        size, border, strides = kernel.shape[0], kernel.shape[0] // 2, tuple(window_strides)
        if size % 2 and strides == (1, 1) and list(padding) == [(border, border)] * 2:
            module = kernel_gradients if kind is _Kind.TRAINING else fast_convolution
            return module.convolve(features, kernel)
        strided = 1 < strides[0] == strides[1] < size and -(-size // strides[0]) % 2
        if kind is _Kind.TRAINING and strided and list(padding) == [(0, 0)] * 2:
            return kernel_gradients.convolve_strided(features, kernel, strides[0])
    return lax.conv_general_dilated(
        features,
        kernel,
        window_strides,
        padding,
        feature_group_count=feature_group_count,
        **options,
    )


def context_convolution() -> Callable[..., jax.Array]:
    """Returns `conv_general_dilated`; the `conv_general_dilated_cls` of Flax's and our modules."""
    return conv_general_dilated


def layer(
    conv: Callable[..., nn.Module],
    features: int,
    size: int = 3,
    *,
    stride: int = 1,
    border: int | None = None,
    **options: Any,
) -> nn.Module:
    """A convolution with bias, as used in the backbones.

    Args:
        conv: `flax.linen.Conv`, `gsn_jax.layers.CDConv` or a module called like them.
        features: output channels.
        size: height and width of the kernel.
        stride: step along both axes.
        border: zeros beyond each border; None for half the kernel.
        **options: further arguments of `conv`, such as `name`.
    """
    options.setdefault("kernel_init", nn.initializers.he_normal())
    return conv(
        features,
        kernel_size=(size, size),
        strides=(stride, stride),
        padding=size // 2 if border is None else border,
        use_bias=True,
        conv_general_dilated_cls=context_convolution,
        **options,
    )


def check_level_count(backbone: str, count: int, most: int) -> None:
    """Raises a ValueError unless `count` is from 1 to `most`."""
    if not 1 <= count <= most:
        raise ValueError(f"{backbone} has 1 to {most} levels, got {count}")


def rectified(layer: nn.Module, x: jax.Array) -> jax.Array:
    """The layer's output after ReLU; a function of its own, so that it can be rematerialised."""
    return nn.relu(layer(x))


def fixed(names: Sequence[str], weights: Sequence[Weights]) -> Callable[..., nn.Module]:
    """The `conv` of a backbone with given weights, in the order of its layers' `names`."""
    return functools.partial(FixedConv, dict(zip(names, weights, strict=True)))


class FixedConv(nn.Module):
    """A convolution with given weights instead of parameters, for networks that are never trained.

    Kernels given as NumPy arrays are transformed for `fast_convolution` once, not in every call.

    Attributes:
        weights: weights by layer name.
        features: passed by `layer` and ignored, like `kernel_size`, `use_bias`, `dtype` and
            `kernel_init`.
        strides: steps in height and width.
        padding: zeros beyond each border.
        conv_general_dilated_cls: returns the convolution to use.
    """

    weights: Mapping[str, Weights]
    features: int
    kernel_size: Sequence[int]
    strides: Sequence[int]
    padding: int
    use_bias: bool
    dtype: Any
    kernel_init: Any
    conv_general_dilated_cls: Callable[[], Callable[..., jax.Array]]

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Maps `(N, H, W, in)` to `(N, h, w, out)`."""
        kernel, bias = self.weights[str(self.name)]
        convolve = self.conv_general_dilated_cls()
        border = (self.padding, self.padding)
        dimensions = ("NHWC", "HWIO", "NHWC")
        return convolve(x, kernel, self.strides, [border] * 2, dimension_numbers=dimensions) + bias
