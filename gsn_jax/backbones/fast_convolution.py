"""Convolution with "same" padding that is fast on CPUs too, for inference.

With many channels, XLA's convolution runs near the peak arithmetic rate of a CPU, so only fewer
multiplications make it faster. Along one image axis, six products give m outputs of an r-tap
filter, m + r = 7 (Toom-Cook; A. Lavin and S. Gray: "Fast Algorithms for Convolutional Neural
Networks", CVPR 2016): half the multiplications for 3 x 3, six tenths for 5 x 5. The other axis and
the sum over channels stay an ordinary convolution. In float32 the result differs from the direct
one by a few 1e-6 of its range.

If the features are smaller than the kernel, as in the last layers for small patches, XLA convolves
in a scalar loop. One matrix product per tap is a hundred times faster.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

# The points at which the polynomials are evaluated; infinity is the sixth.
_POINTS = (0.0, 1.0, -1.0, 2.0, -2.0)
_PRODUCTS = len(_POINTS) + 1
# Input channels from which the saved products outweigh the transforms, by filter length.
_WORTH_IT = {3: 128, 5: 64}

Convolution = Callable[..., jax.Array]  # of features and kernel

_plain = contextvars.ContextVar("plain convolutions", default=False)

_DIMENSIONS = ("NHWC", "HWIO", "NHWC")


def convolve(
    features: jax.Array, kernel: jax.Array | np.ndarray, *, complete_rows: bool = False
) -> jax.Array:
    """Convolution (cross-correlation) with stride 1 and zeros beyond the border.

    Args:
        features: `(N, H, W, C)`.
        kernel: `(k, k, C, K)`, k odd. The transform of a NumPy array is computed only once.
        complete_rows: leave out the k - 1 rows whose windows extend beyond the first or the last
            row.

    Returns:
        `(N, H, W, K)`, or `(N, H - k + 1, W, K)` with `complete_rows`.
    """
    options: Any = {"kernel": kernel, "complete_rows": complete_rows}
    if _plain.get():
        return direct(features, **options)
    return lax.platform_dependent(
        features,
        cpu=functools.partial(_chosen(features, kernel), **options),
        default=functools.partial(direct, **options),
    )


@contextlib.contextmanager
def switched_off() -> Iterator[None]:
    """Context in which every `convolve` is traced as one XLA convolution."""
    token = _plain.set(True)
    try:
        yield
    finally:
        _plain.reset(token)


def _chosen(features: jax.Array, kernel: jax.Array | np.ndarray) -> Convolution:
    """The fastest implementation on a CPU; `toom_cook` needs the precision of float32."""
    if min(features.shape[1:3]) < kernel.shape[0]:
        return tap_products
    size, _, channels, _ = kernel.shape
    if channels >= _WORTH_IT.get(size, float("inf")) and features.dtype == jnp.float32:
        return toom_cook
    return direct


def tap_products(
    features: jax.Array, kernel: jax.Array | np.ndarray, *, complete_rows: bool = False
) -> jax.Array:
    """`convolve` as the sum over taps of a matrix product with the shifted features.

    The taps are looped over with `scan`, so that XLA compiles the product once, not once per tap.
    """
    border = kernel.shape[0] // 2
    padded = jnp.pad(features, ((0, 0), (border, border), (border, border), (0, 0)))
    # The other taps see only zeros.
    rows, columns = (
        range(max(0, border - size + 1), min(kernel.shape[0], border + size))
        for size in features.shape[1:3]
    )
    places = jnp.asarray(list(itertools.product(rows, columns)), jnp.int32)
    seeing = jnp.asarray(kernel[rows.start : rows.stop, columns.start : columns.stop])

    zero = jnp.int32(0)

    def add(total: jax.Array, tap: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, None]:
        (row, column), weights = tap
        shifted = lax.dynamic_slice(padded, (zero, row, column, zero), features.shape)
        return total + shifted @ weights, None

    start = jnp.zeros((*features.shape[:3], kernel.shape[3]), jnp.result_type(features, kernel))
    same = lax.scan(add, start, (places, seeing.reshape(-1, *kernel.shape[2:])))[0]
    return same[:, border : features.shape[1] - border] if complete_rows else same


def tap_sums(features: jax.Array, kernel: jax.Array) -> jax.Array:
    """`convolve` for few input and output channels: one sum over taps and channels for each output.

    Sums are float32 at least. XLA's convolution copies the features once per tap, which costs more
    than the arithmetic.
    """
    border = kernel.shape[0] // 2
    _, height, width, channels = features.shape
    around = ((0, 0), (border, border), (border, border), (0, 0))
    wide = jnp.promote_types(features.dtype, jnp.float32)
    padded, kernel = jnp.pad(features, around).astype(wide), kernel.astype(wide)

    def channel(output: int) -> jax.Array:
        taps = [
            padded[:, i : i + height, j : j + width, c] * kernel[i, j, c, output]
            for i in range(kernel.shape[0])
            for j in range(kernel.shape[1])
            for c in range(channels)
        ]
        return functools.reduce(jnp.add, taps)

    outputs = [channel(output) for output in range(kernel.shape[3])]
    return jnp.stack(outputs, axis=-1).astype(features.dtype)


def toom_cook(
    features: jax.Array, kernel: jax.Array | np.ndarray, *, complete_rows: bool = False
) -> jax.Array:
    """`convolve` with six products for every `7 - k` rows of the result."""
    size = kernel.shape[0]
    input_matrix, kernel_matrix, output_matrix = _matrices(size)
    xp = np if isinstance(kernel, np.ndarray) else jnp  # a constant is transformed once
    kernels = xp.einsum("pa,abck->pbck", kernel_matrix, kernel)[:, None].astype(np.float32)
    step, border = _PRODUCTS + 1 - size, size // 2
    count, height, width, _ = features.shape
    above = 0 if complete_rows else border
    results = height - 2 * (border - above)
    blocks = -(-results // step)
    below = step * blocks + 2 * border - above - height
    padded = jnp.pad(features, ((0, 0), (above, below), (0, 0), (0, 0)))
    rows = [padded[:, i : i + step * (blocks - 1) + 1 : step] for i in range(_PRODUCTS)]
    parts = [
        lax.conv_general_dilated(
            _combine(coefficients, rows),
            kernels[i],
            (1, 1),
            [(0, 0), (border, border)],
            dimension_numbers=_DIMENSIONS,
        )
        for i, coefficients in enumerate(input_matrix)
    ]
    outputs = jnp.stack([_combine(row, parts) for row in output_matrix], axis=2)
    return outputs.reshape(count, step * blocks, width, -1)[:, :results]


def direct(
    features: jax.Array, kernel: jax.Array | np.ndarray, *, complete_rows: bool = False
) -> jax.Array:
    """`convolve` as one XLA convolution."""
    border = kernel.shape[0] // 2
    above = 0 if complete_rows else border
    return lax.conv_general_dilated(
        features,
        jnp.asarray(kernel),
        (1, 1),
        [(above, above), (border, border)],
        dimension_numbers=_DIMENSIONS,
    )


@functools.cache
def _matrices(size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Transforms of the input (6, 6), the kernel (6, size) and the products (7 - size, 6)."""
    others = [[q for q in _POINTS if q != p] for p in _POINTS]
    lagrange = [[*np.poly(roots)[::-1], 0.0] for roots in others]
    input_matrix = np.array([*lagrange, np.poly(_POINTS)[::-1]])
    scale = np.array(
        [np.prod([p - q for q in rest]) for p, rest in zip(_POINTS, others, strict=True)]
    )
    kernel_matrix = np.zeros((_PRODUCTS, size))
    kernel_matrix[:-1] = np.vander(_POINTS, size, increasing=True) / scale[:, None]
    kernel_matrix[-1, -1] = 1
    output_matrix = np.zeros((_PRODUCTS + 1 - size, _PRODUCTS))
    output_matrix[:, :-1] = np.vander(_POINTS, len(output_matrix), increasing=True).T
    output_matrix[-1, -1] = 1
    return input_matrix, kernel_matrix, output_matrix


def _combine(coefficients: np.ndarray, values: Sequence[jax.Array]) -> jax.Array:
    terms = [float(c) * v for c, v in zip(coefficients, values, strict=True) if c]
    return functools.reduce(jnp.add, terms)
