"""Convolution whose kernel's gradient is fast on CPUs too, where a device has its batch alone.

XLA computes that gradient on CPUs as a convolution with a window of the size of the features, three
to five times slower than the forward pass. Here it is one matrix product per row of the kernel,
of the gradient with the features shifted along a row, for a few images at a time: what is copied
for it stays in the processor's cache.

The images one after the other would be a chain across devices where the batch is divided over them
by the compiler, so this is for steps that see one device's part only: see `local_batch`.
"""

from __future__ import annotations

import contextlib
import contextvars
import math
from collections.abc import Iterator

import jax
import jax.numpy as jnp
from jax import lax

from gsn_jax.fast_convolution import direct

# Shifted features at a time: few enough for the cache (4 MiB), many enough for the cores.
_TOGETHER = 1 << 20

_local = contextvars.ContextVar("the batch is on one device", default=False)


@contextlib.contextmanager
def local_batch() -> Iterator[None]:
    """Inside, what is traced runs on one device: a mesh of one, or the body of a `shard_map`.

    Also a decorator.
    """
    token = _local.set(True)
    try:
        yield
    finally:
        _local.reset(token)


def is_local() -> bool:
    """Whether this is inside `local_batch`."""
    return _local.get()


@jax.custom_vjp
def convolve(features: jax.Array, kernel: jax.Array) -> jax.Array:
    """Convolution (cross-correlation) with stride 1 and zeros beyond the border.

    Args:
        features: `(N, H, W, C)`.
        kernel: `(k, k, C, K)`, k odd.

    Returns:
        `(N, H, W, K)`. Differentiable once, in reverse mode.
    """
    return direct(features, kernel)


def _forward(features: jax.Array, kernel: jax.Array) -> tuple[jax.Array, tuple]:
    return convolve(features, kernel), (features, kernel)


def _backward(saved: tuple[jax.Array, jax.Array], gradient: jax.Array) -> tuple:
    features, kernel = saved
    (of_features,) = jax.vjp(lambda features: direct(features, kernel), features)[1](gradient)
    of_kernel = lax.platform_dependent(
        cpu=lambda: _by_rows(features, gradient, kernel.shape[0]).astype(kernel.dtype),
        default=lambda: jax.vjp(lambda kernel: direct(features, kernel), kernel)[1](gradient)[0],
    )
    return of_features, of_kernel


convolve.defvjp(_forward, _backward)


def _by_rows(features: jax.Array, gradient: jax.Array, size: int) -> jax.Array:
    """The kernel's gradient `(size, size, C, K)`, in float32."""
    count, height, width, channels = features.shape
    fit = max(1, _TOGETHER // (height * width * size * channels))
    together = math.gcd(count, 1 << fit.bit_length() - 1)
    parts = [x.reshape(-1, together, *x.shape[1:]) for x in (features, gradient)]
    return lax.map(lambda part: _products(*part, size), parts).sum(axis=0)


def _products(features: jax.Array, gradient: jax.Array, size: int) -> jax.Array:
    features, gradient = features.astype(jnp.float32), gradient.astype(jnp.float32)
    border, channels, outputs = size // 2, features.shape[-1], gradient.shape[-1]
    _, height, width, _ = features.shape
    padded = jnp.pad(features, ((0, 0), (border, border), (border, border), (0, 0)))
    shifted = jnp.concatenate([padded[:, :, j : j + width] for j in range(size)], axis=-1)
    # The gradient first: with few rows of many numbers the product is faster than transposed.
    rows = gradient.reshape(-1, outputs).T
    products = [rows @ shifted[:, i : i + height].reshape(-1, size * channels) for i in range(size)]
    return jnp.stack(products).reshape(size, outputs, size, channels).transpose(0, 2, 3, 1)
