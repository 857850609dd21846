"""Size classes and tiles: images of any size in arrays of few shapes.

XLA compiles once per shape. An image is put into the top left corner of an array of one of
`SHAPES`. Where none holds it, or several small ones cost less than a large one, it is cut into
overlapping tiles. The choice depends on the image's size alone, so a pair's score does not depend
on what else is scored.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Sequence

Shape = tuple[int, int]

# Height and width in pixels. Chosen, among multiples of 32, for little waste on sides from 64 to
# 2048 in any ratio and on common sizes; two of them are the sizes of common data sets.
SHAPES: tuple[Shape, ...] = (
    (288, 288),
    (128, 512),
    (512, 128),
    (384, 512),
    (512, 384),
    (544, 544),
    (1216, 1216),
)

# Fixed call overhead, in pixel equivalents.
_CALL = 6000


@dataclasses.dataclass(frozen=True)
class Tile:
    """A part of an image in an array of `shape`.

    Attributes:
        shape: height and width of the array.
        top: first row of the image in it, a multiple of the cell.
        left: first column.
        height: rows of the image in it; the rows below are empty.
        width: columns of the image in it.
        core: the cells that this tile contributes: first row, row after the last, first column,
            column after the last, within the tile. All pixels that they depend on are in the tile.
    """

    shape: Shape
    top: int
    left: int
    height: int
    width: int
    core: tuple[int, int, int, int]


@functools.lru_cache(maxsize=4096)
def cover(
    height: int, width: int, *, reach: int, cell: int, shapes: Sequence[Shape] = SHAPES
) -> tuple[Tile, ...]:
    """The tiles of an image, row by row; a single one where a shape holds it at the least cost.

    Args:
        height: of the image in pixels.
        width: of the image in pixels.
        reach: how many pixels beyond its own a cell depends on.
        cell: side of a cell in pixels; shapes are multiples of it.
        shapes: the available shapes.

    Raises:
        ValueError: every shape is too small for that reach.
    """
    halo = cell * math.ceil(reach / cell)

    def cost(shape: Shape) -> float:
        count = _count(height, shape[0], halo) * _count(width, shape[1], halo)
        return count * (shape[0] * shape[1] + _CALL)

    shape = min(shapes, key=cost)
    if cost(shape) == math.inf:
        raise ValueError(f"no shape has room for a reach of {reach} pixels around a cell")
    rows, columns = (
        _spans(length, side, halo, cell)
        for length, side in zip((height, width), shape, strict=True)
    )
    return tuple(
        Tile(shape, top, left, tile_height, tile_width, (*core_rows, *core_columns))
        for top, tile_height, core_rows in rows
        for left, tile_width, core_columns in columns
    )


def _count(length: int, side: int, halo: int) -> float:
    """How many tiles of that side cover a length."""
    if length <= side:
        return 1
    return 1 + math.ceil((length - side) / (side - 2 * halo)) if side > 2 * halo else math.inf


def _spans(length: int, side: int, halo: int, cell: int) -> list[tuple[int, int, tuple[int, int]]]:
    """Along one axis: first pixel, number of pixels, and cells of the core, of each tile."""
    count = int(_count(length, side, halo))
    spans = []
    for index in range(count):
        start = index * (side - 2 * halo)
        pixels = min(side, length - start)
        first = halo // cell if index else 0
        end = (side - halo) // cell if index < count - 1 else math.ceil(pixels / cell)
        spans.append((start, pixels, (first, end)))
    return spans
