"""Convolution with a fast CPU kernel gradient, for unsharded batches.

On CPUs, XLA computes the kernel's gradient as a convolution with a window of the size of the
features, three to five times slower than the forward pass. Here it is one matrix product of the
gradient shifted along columns with the features shifted along rows; together, these shifts cover
all taps of the kernel. A few images are processed at a time, so that the shifted copies stay in the
cache. Convolutions of one or two channels, as in spatial attention, are sums over taps. The forward
pass and the gradient of the features are those of `fast_convolution`.

If the compiler sharded the batch, the loop over images would run on one device after the other, so
this is for steps on one device.
"""

from __future__ import annotations

import functools
import math

import jax
import jax.numpy as jnp
from jax import lax

from gsn_jax.backbones import fast_convolution
from gsn_jax.backbones.fast_convolution import direct, tap_sums

# Values in the shifted copies: few enough for the cache (6 MiB), enough to occupy the cores.
_TOGETHER = 3 << 19
# Independent products: while one copies, the other multiplies.
_CHAINS = 2
# Kernels with at most this many weights per tap are summed tap by tap; spatial attention has two.
_FEW = 2


@jax.custom_vjp
def convolve(features: jax.Array, kernel: jax.Array) -> jax.Array:
    """Convolution (cross-correlation) with stride 1 and zeros beyond the border.

    Args:
        features: `(N, H, W, C)`.
        kernel: `(k, k, C, K)`, k odd.

    Returns:
        `(N, H, W, K)`. Differentiable once, in reverse mode.
    """
    return _convolved(features, kernel)


def convolve_strided(features: jax.Array, kernel: jax.Array, stride: int) -> jax.Array:
    """Strided convolution over complete windows, for the stems of networks.

    Moving `stride` x `stride` pixels into channels turns it into `convolve`, whose kernel gradient
    is fast.

    Args:
        features: `(N, H, W, C)`.
        kernel: `(k, k, C, K)`, with k / `stride`, rounded up, odd.
        stride: step along both axes.

    Returns:
        `(N, (H - k) // stride + 1, (W - k) // stride + 1, K)`.
    """
    size = kernel.shape[0]
    taps = -(-size // stride)
    shape = [(length - size) // stride + 1 for length in features.shape[1:3]]
    ends = [stride * (count + taps - 1) for count in shape]
    features = features[:, : ends[0], : ends[1]]
    beyond = [(0, end - length) for end, length in zip(ends, features.shape[1:3], strict=True)]
    features = jnp.pad(features, [(0, 0), *beyond, (0, 0)])
    kernel = jnp.pad(kernel, [(0, stride * taps - size)] * 2 + [(0, 0)] * 2)
    border = taps // 2
    blocks = convolve(_blocks(features, stride), _blocks(kernel[None], stride)[0])
    return blocks[:, border : border + shape[0], border : border + shape[1]]


def _blocks(x: jax.Array, size: int) -> jax.Array:
    """`(N, H, W, C, ...)` as `(N, H / size, W / size, size * size * C, ...)`."""
    count, height, width, channels, *rest = x.shape
    x = x.reshape(count, height // size, size, width // size, size, channels, *rest)
    x = x.swapaxes(2, 3)
    return x.reshape(count, height // size, width // size, size * size * channels, *rest)


def _convolved(features: jax.Array, kernel: jax.Array) -> jax.Array:
    if kernel.shape[2] * kernel.shape[3] > _FEW:
        return fast_convolution.convolve(features, kernel)
    return lax.platform_dependent(features, kernel, cpu=tap_sums, default=direct)


def _forward(features: jax.Array, kernel: jax.Array) -> tuple[jax.Array, tuple]:
    return convolve(features, kernel), (features, kernel)


def _backward(saved: tuple[jax.Array, jax.Array], gradient: jax.Array) -> tuple:
    features, kernel = saved
    of_features = _convolved(gradient, kernel[::-1, ::-1].swapaxes(2, 3))
    of_kernel = lax.platform_dependent(
        cpu=lambda: _by_products(features, gradient, kernel.shape[0]).astype(kernel.dtype),
        default=lambda: jax.vjp(lambda kernel: direct(features, kernel), kernel)[1](gradient)[0],
    )
    return of_features, of_kernel


convolve.defvjp(_forward, _backward)


def _by_products(features: jax.Array, gradient: jax.Array, size: int) -> jax.Array:
    """The kernel's gradient `(size, size, C, K)`, in float32."""
    count, height, width, channels = features.shape
    fit = max(1, _TOGETHER // (height * width * size * (channels + gradient.shape[-1])))
    together = math.gcd(count, 1 << fit.bit_length() - 1)
    chains = math.gcd(count // together, _CHAINS)
    parts = [x.reshape(-1, chains, together, *x.shape[1:]) for x in (features, gradient)]

    def chained(part: list[jax.Array]) -> jax.Array:
        products = [_product(x, y, size) for x, y in zip(part[0], part[1], strict=True)]
        return functools.reduce(jnp.add, products)

    return lax.map(chained, parts).sum(axis=0)


def _product(features: jax.Array, gradient: jax.Array, size: int) -> jax.Array:
    features, gradient = features.astype(jnp.float32), gradient.astype(jnp.float32)
    border, channels, outputs = size // 2, features.shape[-1], gradient.shape[-1]
    _, height, width, _ = features.shape
    tall = jnp.pad(features, ((0, 0), (border, border), (0, 0), (0, 0)))
    wide = jnp.pad(gradient, ((0, 0), (0, 0), (border, border), (0, 0)))
    rows = jnp.concatenate([tall[:, i : i + height] for i in range(size)], axis=-1)
    shifts = reversed(range(size))
    columns = jnp.concatenate([wide[:, :, j : j + width] for j in shifts], axis=-1)
    # The gradient is the left factor: with few long rows, that is faster than the transpose.
    product = columns.reshape(-1, size * outputs).T @ rows.reshape(-1, size * channels)
    return product.reshape(size, outputs, size, channels).transpose(2, 0, 3, 1)
