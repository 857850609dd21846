"""The Laplacian pyramid of ColorVideoVDP, all scales at once.

P. J. Burt, E. H. Adelson, "The Laplacian pyramid as a compact image code", IEEE Transactions on
Communications 31(4), 1983, with the borders of the authors' code of ColorVideoVDP.

Small scales are products with one matrix for the rows and one for the columns: many short loops
take long to compile.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from gsn_jax.metrics import filters
from gsn_jax.metrics.staging import staged

KERNEL = (0.05, 0.25, 0.4, 0.25, 0.05)
# Planes whose longer side is at most that are multiplied by matrices.
SMALL = 256

Planes = TypeVar("Planes", np.ndarray, jax.Array)


class _Axis(NamedTuple):
    """Matrices that make the scales of one axis.

    Attributes:
        layers: of each scale, what is there and what the next scale has there, with margins.
        last: the last scale.
    """

    layers: list[tuple[np.ndarray, np.ndarray]]
    last: np.ndarray


def sizes(height: int, width: int, count: int) -> list[tuple[int, int]]:
    """Height and width of `count` scales, from the finest on."""
    return [(-(-height // 2**k), -(-width // 2**k)) for k in range(count)]


def decomposed(
    planes: Float[Array, "c *batch h w"], count: int, margin: int
) -> tuple[list[Float[Array, "c1 *batch _h _w"]], Float[Array, "c *batch _h _w"]]:
    """The band-pass layers of planes, from the finest on, and what is left.

    Args:
        planes: of several channels.
        count: number of layers.
        margin: number of samples by which layers are mirrored beyond each border.

    Returns:
        Of each layer the channels, and then the surround of the first channel; and the low-pass
        rest of all channels.
    """
    layers: list[jax.Array] = []
    while len(layers) < count and max(planes.shape[-2:]) > SMALL:
        smaller = reduced(planes)
        around = expanded(smaller, planes.shape[-2:])
        layer = jnp.concatenate([planes - around, around[:1]])
        layers.append(filters.pad(staged(layer), margin, margin, "reflect"))
        planes = smaller
    height, width = planes.shape[-2:]
    # As in the authors' code, the right border is treated as if there were as many columns as rows
    # modulo two.
    odds = tuple(rows % 2 == 1 for rows, _ in sizes(height, width, count - len(layers)))
    rows, columns = (_axis(size, odds, margin) for size in (height, width))
    for row, column in zip(rows.layers, columns.layers, strict=True):
        here, around = (_product(planes, *both) for both in zip(row, column, strict=True))
        layers.append(jnp.concatenate([here - around, around[:1]]))
    return layers, _product(planes, rows.last, columns.last)


def reduced(planes: Float[Array, "*batch h w"]) -> Float[Array, "*batch h2 w2"]:
    """Smoothed, and every second row and column."""
    odd = planes.shape[-2] % 2 == 1
    return staged(_reduced_axis(staged(_reduced_axis(planes, -2, odd)), -1, odd))


def expanded(planes: Float[Array, "*batch h w"], size: Sequence[int]) -> Float[Array, "*batch H W"]:
    """Twice as large, interpolated with the kernel."""
    if max(size) <= SMALL:
        return _product(planes, *map(_expanding, planes.shape[-2:], size))
    for axis, length in zip((-2, -1), size, strict=True):
        planes = staged(_expanded_axis(planes, axis, length))
    return planes


def _product(
    planes: Float[Array, "*batch h w"], rows: np.ndarray, columns: np.ndarray
) -> Float[Array, "*batch H W"]:
    """Planes whose columns are multiplied by one matrix, and whose rows by another."""
    left, right = (jnp.asarray(matrix, planes.dtype) for matrix in (rows, columns.T))
    precision = lax.Precision.HIGHEST
    return jnp.matmul(jnp.matmul(left, planes, precision=precision), right, precision=precision)


@functools.lru_cache(maxsize=64)
def _axis(size: int, odds: tuple[bool, ...], margin: int) -> _Axis:
    here, layers = np.eye(size), []
    for odd in odds:
        smaller = _reduced_axis(here, -2, odd)
        both = here, _expanded_axis(smaller, -2, len(here))
        mirrored = [np.pad(matrix, [(margin, margin), (0, 0)], mode="reflect") for matrix in both]
        layers.append((mirrored[0], mirrored[1]))
        here = smaller
    return _Axis(layers, here)


@functools.lru_cache(maxsize=64)
def _expanding(size: int, length: int) -> np.ndarray:
    return _expanded_axis(np.eye(size), -2, length)


def _reduced_axis(planes: Planes, axis: int, odd: bool) -> Planes:
    """Every second sample of a smoothed axis, which is taken to have an odd size or not."""
    size = planes.shape[axis]
    first, second, last_but_one, last = (
        _part(planes, axis, k, k + 1) for k in (0, 1, size - 2, size - 1)
    )
    if odd == (size % 2 == 1):
        after, far = last, last_but_one
    elif odd:
        after, far = KERNEL[3] / KERNEL[4] * last + last_but_one, last
    else:
        after, far = 0 * last, last
    padded = _joined([second, first, planes, after, far], axis)
    end = 2 * ((size + 1) // 2) - 1
    terms = (weight * _part(padded, axis, k, k + end, 2) for k, weight in enumerate(KERNEL))
    return functools.reduce(operator.add, terms)


def _expanded_axis(planes: Planes, axis: int, size: int) -> Planes:
    count = planes.shape[axis]
    ends = [_part(planes, axis, k, k + 1) for k in (0, count - 1)]
    repeated = _joined([ends[0], planes, ends[1]], axis)
    before, here, after = (_part(repeated, axis, k, k + count) for k in range(3))
    even = 2 * (KERNEL[0] * before + KERNEL[2] * here + KERNEL[4] * after)
    odd = 2 * (KERNEL[1] * here + KERNEL[3] * after)
    xp: Any = np if isinstance(planes, np.ndarray) else jnp
    shape = list(planes.shape)
    shape[axis] = 2 * count
    result = xp.stack([even, odd], planes.ndim + axis + 1).reshape(shape)
    return _part(result, axis, 0, size)


def _part(planes: Planes, axis: int, start: int, stop: int, step: int = 1) -> Planes:
    if isinstance(planes, np.ndarray):
        index: list[Any] = [slice(None)] * planes.ndim
        index[axis] = slice(start, stop, step)
        return planes[tuple(index)]
    return lax.slice_in_dim(planes, start, stop, step, axis)


def _joined(parts: list[Planes], axis: int) -> Planes:
    if isinstance(parts[0], np.ndarray):
        return np.concatenate(parts, axis)
    return staged(jnp.concatenate(parts, axis))
