"""Size classes and tiles: applies a model to images of any size in arrays of few shapes.

XLA compiles once per shape. An image is put into the top left corner of an array of one of
`SHAPES`. If none holds it, or if several small arrays cost less than a large one, it is cut into
overlapping tiles. The choice depends on the image's size alone, so a pair's score does not depend
on what else is scored.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import flax.linen as nn
import jax
import numpy as np
from jaxtyping import Float

from gsn_jax.devices.batches import (
    Arrays,
    BatchClass,
    PairBatch,
    as_unit,
    divided,
    of_references,
    on_every_device,
    replicated,
)
from gsn_jax.images import as_float
from gsn_jax.metric import Remember, forget

Shape = tuple[int, int]

# Heights and widths in pixels. Chosen among multiples of 32 for little waste on common sizes, and
# on sides from 64 to 2048 in any ratio. Two of them are the image sizes of common data sets.
SHAPES: tuple[Shape, ...] = (
    (160, 160),  # patches
    (288, 288),
    (128, 512),
    (512, 128),
    (384, 512),
    (512, 384),
    (544, 544),
    (1216, 1216),
    (1088, 1920),
    (1920, 1088),
)

# Fixed call overhead, in pixel equivalents.
_CALL = 6000


@dataclasses.dataclass(frozen=True)
class Tile:
    """A part of an image in an array of `shape`.

    Attributes:
        shape: height and width of the array.
        top: row of the image at which the tile begins, a multiple of the cell's side.
        left: column of the image at which it begins, likewise.
        height: number of image rows in the tile; the rows below are empty.
        width: number of image columns in the tile; the columns to the right are empty.
        core: the cells that this tile contributes: first row, row after the last, first column,
            column after the last, within the tile. All pixels that they depend on are in the tile.
    """

    shape: Shape
    top: int
    left: int
    height: int
    width: int
    core: tuple[int, int, int, int]

    def of(self, image: np.ndarray) -> np.ndarray:
        """The tile's part of an image `(H, W, 3)`."""
        return image[self.top : self.top + self.height, self.left : self.left + self.width]


@functools.lru_cache(maxsize=4096)
def cover(
    height: int, width: int, *, reach: int, cell: int, shapes: Sequence[Shape] = SHAPES
) -> tuple[Tile, ...]:
    """The tiles of an image, row by row; a single one if that costs least.

    Args:
        height: of the image in pixels.
        width: of the image in pixels.
        reach: number of pixels beyond its own that a cell depends on, in each direction.
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
    """The number of tiles of that side that cover a length; infinite if the halo fills them."""
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


class TiledModel:
    """Scores one pair after the other, each tile by functions compiled for the tile's shape.

    Encoding an image and comparing the features of a pair are compiled separately. XLA allocates
    the intermediate results of one function together, and allocations above 32 MB are returned to
    the system after every call, which can take longer than the computation.
    """

    def __init__(
        self, model: nn.Module, variables: Any, calibrate: Callable[[jax.Array], jax.Array]
    ):
        """Compiles nothing yet.

        Args:
            model: a model with `encode`, `sums` and `finish` whose `reach` is known, such as
                `gsn_jax.gsn.GSN`.
            variables: the variables of the model.
            calibrate: maps raw scores to those that `score` returns.
        """
        self._variables, self._reach = variables, model.reach
        self._cell = model.backbone.strides[-1]

        # The variables are arguments: compiling them in as constants is slow.
        def encode(variables: Any, image: jax.Array, sizes: jax.Array | None) -> Any:
            return model.apply(variables, image, sizes=sizes, method="encode")

        def sums(
            method: str, variables: Any, first: Any, second: Any, sizes: jax.Array, cells: jax.Array
        ) -> jax.Array:
            return model.apply(variables, first, second, sizes=sizes, cells=cells, method=method)[0]

        def finish(variables: Any, sums: jax.Array) -> jax.Array:
            raw: Any = model.apply(variables, sums, method="finish")
            return calibrate(raw)

        self._encode, self._finish = jax.jit(encode), jax.jit(finish)

        def batch_sums(everywhere: Any, share: tuple[Arrays, jax.Array]) -> jax.Array:
            (variables, largest), (arrays, cells) = everywhere, share
            first, second = (
                encode(variables, as_unit(images, largest), sizes)
                for images, sizes in (
                    (arrays.references, arrays.reference_sizes),
                    (arrays.distorted, arrays.sizes),
                )
            )
            first = of_references(first, arrays.which)
            options: Any = {"sizes": arrays.sizes, "cells": cells, "method": "sums"}
            found: Any = model.apply(variables, first, second, **options)
            return found

        self._batch_sums = functools.cache(lambda: on_every_device(batch_sums))
        self._batch_finish = functools.cache(lambda: on_every_device(finish))
        self._everywhere = functools.cache(lambda: replicated(variables))

        # Calls from one thread run serially, and convolutions with few channels use only one core.
        # So the features of the two images are computed in two threads.
        self._threads = ThreadPoolExecutor(thread_name_prefix="gsn_jax")
        methods = getattr(model, "partial_sums", ("sums",))
        self._sums = [jax.jit(functools.partial(sums, method)) for method in methods]

    def score(
        self, reference: np.ndarray, distorted: np.ndarray, remember: Remember = forget
    ) -> np.ndarray:
        """The score of one pair `(H, W, 3)`, a scalar array.

        Args:
            reference: uint8, or float32 in [0, 1].
            distorted: of the same size.
            remember: keeps the reference's features, one tree per tile; see `gsn_jax.metric`.
        """
        total: Any = 0.0
        for tile, features in self._tiles(reference, distorted, remember):
            total = total + self._sum(tile, features, core_mask(tile, self._cell))
        return np.asarray(self._finish(self._variables, total))

    def score_regions(
        self, reference: np.ndarray, distorted: np.ndarray, weights: Float[np.ndarray, "n h w"]
    ) -> list[float]:
        """The scores of parts of one pair `(H, W, 3)`; its features are computed once.

        Args:
            reference: see `score`.
            distorted: see `score`.
            weights: for each part, the weights in [0, 1] of the cells of the whole image.
        """
        totals: list[Any] = [0.0] * len(weights)
        for tile, features in self._tiles(reference, distorted, forget):
            core = core_mask(tile, self._cell)
            for index, part in enumerate(weights):
                cells = _in_tile(part, tile, self._cell) * core
                if cells.any():
                    totals[index] = totals[index] + self._sum(tile, features, cells)
        return [float(self._finish(self._variables, total)) for total in totals]

    def batch_class(self, size: Shape) -> BatchClass:
        """The class of a pair; see `gsn_jax.metric.Batching`."""
        tiles = cover(*size, reach=self._reach, cell=self._cell)
        return BatchClass(tiles[0].shape, padded=True, tiles=len(tiles))

    def score_batch(self, batch: PairBatch) -> jax.Array:
        """Starts to score a batch; see `gsn_jax.metric.Batching`."""
        variables, largest = self._everywhere(), batch.largest()
        total: Any = None
        for number in range(batch.kind.tiles):
            tiles = [
                cover(*image.shape[:2], reach=self._reach, cell=self._cell)[number]
                for _, image in batch.filled
            ]
            cells = divided(np.stack([core_mask(tile, self._cell) for tile in tiles]))
            arrays = batch.arrays(batch.kind.shape, [tile.of for tile in tiles])
            sums = self._batch_sums()((variables, largest), (arrays, cells))
            total = sums if total is None else total + sums
        return self._batch_finish()(variables, total)

    def _tiles(
        self, reference: np.ndarray, distorted: np.ndarray, remember: Remember
    ) -> Iterator[tuple[Tile, tuple[Any, Any]]]:
        """Yields each tile with the features of both images."""
        for tile in cover(*reference.shape[:2], reach=self._reach, cell=self._cell):
            encode = functools.partial(self._features, tile=tile)
            beside = self._threads.submit(with_current_config(encode), distorted)
            yield tile, (remember(tile, functools.partial(encode, reference)), beside.result())

    def _sum(self, tile: Tile, features: tuple[Any, Any], cells: np.ndarray) -> np.ndarray:
        arguments = self._variables, *features, _sizes(tile), cells[None]
        return np.concatenate([part(*arguments) for part in self._sums])

    def _features(self, image: np.ndarray, tile: Tile) -> Any:
        return self._encode(self._variables, cut(image, tile)[None], _sizes(tile))


def _sizes(tile: Tile) -> np.ndarray:
    return np.array([[tile.height, tile.width]], np.int32)


def _in_tile(weights: np.ndarray, tile: Tile, cell: int) -> np.ndarray:
    """The weights of a tile's cells, float32 `(rows, columns)`; 0 beyond the image."""
    rows, columns = (side // cell for side in tile.shape)
    top, left = tile.top // cell, tile.left // cell
    part = weights[top : top + rows, left : left + columns]
    return np.pad(part, ((0, rows - part.shape[0]), (0, columns - part.shape[1])))


def with_current_config(function: Callable[..., Any]) -> Callable[..., Any]:
    """Binds a function to this thread's JAX device and precision, for calls from another thread."""
    config: Any = jax.config  # its options have no types
    device, precision = config.jax_default_device, config.jax_default_matmul_precision

    def there(*arguments: Any) -> Any:
        with jax.default_device(device), jax.default_matmul_precision(precision):
            return function(*arguments)

    return there


def core_mask(tile: Tile, cell: int) -> np.ndarray:
    """Which cells of a tile are in its core, `(rows, columns)` bool."""
    mask = np.zeros([side // cell for side in tile.shape], bool)
    top, bottom, left, right = tile.core
    mask[top:bottom, left:right] = True
    return mask


def cut(image: np.ndarray, tile: Tile) -> np.ndarray:
    """A tile's part of an image `(H, W, 3)` as float32 in [0, 1], padded to the tile's shape."""
    part = tile.of(image)
    if part.shape[:2] == tile.shape:
        return as_float(part)
    window = np.zeros((*tile.shape, 3), np.float32)
    window[: tile.height, : tile.width] = as_float(part)
    return window
