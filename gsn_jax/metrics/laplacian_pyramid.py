"""The Laplacian pyramid of ColorVideoVDP, all scales at once.

P. J. Burt, E. H. Adelson, "The Laplacian pyramid as a compact image code", IEEE Transactions on
Communications 31(4), 1983, with the borders of the authors' code of ColorVideoVDP.

Small scales are products with one matrix for the rows and one for the columns, because many short
loops take long to compile.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from gsn_jax.metrics import filters
from gsn_jax.metrics.staging import staged

KERNEL = (0.05, 0.25, 0.4, 0.25, 0.05)
# Planes whose longer side is at most this are multiplied by matrices.
SMALL = 256


class _Axis(NamedTuple):
    """Matrices that compute all scales along one axis.

    Attributes:
        layers: two matrices per scale, for its samples and for those of the next scale expanded to
            its size, both with margins.
        last: the matrix for the last scale.
    """

    layers: list[tuple[np.ndarray, np.ndarray]]
    last: np.ndarray


def sizes(height: int, width: int, count: int) -> list[tuple[int, int]]:
    """Height and width of `count` scales, finest first."""
    return [(-(-height // 2**k), -(-width // 2**k)) for k in range(count)]


def decomposed(
    planes: Float[Array, "c *batch h w"], count: int, margin: int
) -> tuple[list[Float[Array, "c1 *batch _h _w"]], Float[Array, "c *batch _h _w"]]:
    """The band-pass layers of planes, finest first, and the low-pass residual.

    Args:
        planes: of several channels.
        count: number of layers.
        margin: number of samples by which layers are mirrored beyond each border.

    Returns:
        The layers, each with all channels followed by the surround of the first channel; and the
        low-pass residual of all channels.
    """
    layers: list[jax.Array] = []
    while len(layers) < count and max(planes.shape[-2:]) > SMALL:
        smaller = reduced(planes)
        around = expanded(smaller, planes.shape[-2:])
        layer = jnp.concatenate([planes - around, around[:1]])
        layers.append(filters.pad(staged(layer), margin, margin, "reflect"))
        planes = smaller
    height, width = planes.shape[-2:]
    # As in the authors' code, the parity of the number of rows also decides how the right border is
    # treated.
    odds = tuple(rows % 2 == 1 for rows, _ in sizes(height, width, count - len(layers)))
    rows, columns = (_axis(size, odds, margin) for size in (height, width))
    for row, column in zip(rows.layers, columns.layers, strict=True):
        here, around = (_product(planes, *both) for both in zip(row, column, strict=True))
        layers.append(jnp.concatenate([here - around, around[:1]]))
    return layers, _product(planes, rows.last, columns.last)


def reduced(planes: Float[Array, "*batch h w"]) -> Float[Array, "*batch h2 w2"]:
    """Smooths, then keeps every second row and column."""
    height, width = planes.shape[-2:]
    odd = height % 2 == 1
    padded = filters.pad(planes, 2, 2, "constant")
    rows = staged(filters.correlate_varying(padded, _reducing_taps(height, odd), -2, 2))
    return staged(filters.correlate_varying(rows, _reducing_taps(width, odd), -1, 2))


def expanded(planes: Float[Array, "*batch h w"], size: Sequence[int]) -> Float[Array, "*batch H W"]:
    """Interpolates to twice the size with the kernel, cropped to `size`."""
    if max(size) <= SMALL:
        return _product(planes, *map(_expanding, planes.shape[-2:], size))
    return filters.expanded(planes, list(map(_expanding_taps, planes.shape[-2:])), size)


def _product(
    planes: Float[Array, "*batch h w"], rows: np.ndarray, columns: np.ndarray
) -> Float[Array, "*batch H W"]:
    """Applies the matrix `rows` along the height and `columns` along the width."""
    left, right = (jnp.asarray(matrix, planes.dtype) for matrix in (rows, columns.T))
    precision = lax.Precision.HIGHEST
    # Rows stay in front until both products are done: one transposition, without a loop of its own.
    product = jnp.tensordot(left, planes, (1, -2), precision=precision)
    return jnp.moveaxis(jnp.tensordot(product, right, 1, precision=precision), 0, -2)


@functools.lru_cache(maxsize=64)
def _axis(size: int, odds: tuple[bool, ...], margin: int) -> _Axis:
    here, layers = np.eye(size), []
    for odd in odds:
        smaller = _reduced_rows(here, odd)
        both = here, _expanded_rows(smaller)[: len(here)]
        mirrored = [np.pad(matrix, [(margin, margin), (0, 0)], mode="reflect") for matrix in both]
        layers.append((mirrored[0], mirrored[1]))
        here = smaller
    return _Axis(layers, here)


@functools.lru_cache(maxsize=64)
def _expanding(size: int, length: int) -> np.ndarray:
    return _expanded_rows(np.eye(size))[:length]


@functools.lru_cache(maxsize=64)
def _reducing_taps(size: int, odd: bool) -> np.ndarray:
    """Weights of the five samples around every second one, `(5, n)`; borders have their own."""
    short = min(size, 12 + size % 2)
    matrix = np.pad(_reduced_rows(np.eye(short), odd), [(0, 0), (2, 2)])
    taps = np.stack([row[2 * k : 2 * k + 5] for k, row in enumerate(matrix)], 1)
    return _lengthened(taps, (size - short) // 2)


@functools.lru_cache(maxsize=64)
def _expanding_taps(count: int) -> np.ndarray:
    """Weights of a sample and its neighbours for the two samples it becomes, `(2, 3, n)`."""
    short = min(count, 6)
    matrix = np.pad(_expanded_rows(np.eye(short)), [(0, 0), (1, 1)])
    taps = np.stack([row[k // 2 : k // 2 + 3] for k, row in enumerate(matrix)], 1)
    return _lengthened(np.stack([taps[:, ::2], taps[:, 1::2]]), count - short)


def _lengthened(taps: np.ndarray, more: int) -> np.ndarray:
    """Repeats the middle weights, which are those away from the borders."""
    middle = taps.shape[-1] // 2
    repeats = np.where(np.arange(taps.shape[-1]) == middle, more + 1, 1)
    return np.repeat(taps, repeats, -1)


def _reduced_rows(planes: np.ndarray, odd: bool) -> np.ndarray:
    """Smooths, then keeps every second row, with the border for an odd or even number of rows."""
    last_but_one, last = planes[-2], planes[-1]
    if odd == (len(planes) % 2 == 1):
        after, far = last, last_but_one
    elif odd:
        after, far = KERNEL[3] / KERNEL[4] * last + last_but_one, last
    else:
        after, far = 0 * last, last
    padded = np.stack([planes[1], planes[0], *planes, after, far])
    end = 2 * ((len(planes) + 1) // 2) - 1
    return np.stack([KERNEL[k] * padded[k : k + end : 2] for k in range(5)]).sum(0)


def _expanded_rows(planes: np.ndarray) -> np.ndarray:
    """Interpolates to twice as many rows."""
    before, here, after = np.r_[planes[:1], planes[:-1]], planes, np.r_[planes[1:], planes[-1:]]
    even = 2 * (KERNEL[0] * before + KERNEL[2] * here + KERNEL[4] * after)
    odd = 2 * (KERNEL[1] * here + KERNEL[3] * after)
    return np.stack([even, odd], 1).reshape(-1, planes.shape[1])
