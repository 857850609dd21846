"""A trained model applied to images of any size, with few compilations and bounded memory."""

from __future__ import annotations

import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import flax.linen as nn
import jax
import numpy as np

from gsn_jax.images import as_float
from gsn_jax.metric import Remember, forget
from gsn_jax.scoring import tiling


class TiledModel:
    """Scores one pair after the other, each tile by functions compiled for the tile's shape.

    The features of an image and the sums of an image's comparison are compiled apart. XLA allocates
    the intermediate results of one function together, and allocations above 32 MB go back to the
    system after every call, which can take longer than the computation.
    """

    def __init__(
        self, model: nn.Module, variables: Any, calibrate: Callable[[jax.Array], jax.Array]
    ):
        """Compiles nothing yet.

        Args:
            model: a model with `encode`, `sums` and `finish` whose `reach` is known, such as
                `gsn_jax.gsn.GSN`.
            variables: of the model.
            calibrate: raw score to what `score` gives.
        """
        self._variables, self._reach = variables, model.reach
        self._cell = model.backbone.strides[-1]

        # The variables are arguments: as constants they would be compiled in, slowly.
        def encode(variables: Any, image: jax.Array, sizes: jax.Array) -> Any:
            return model.apply(variables, image, sizes=sizes, method="encode")

        def sums(
            method: str, variables: Any, first: Any, second: Any, sizes: jax.Array, cells: jax.Array
        ) -> jax.Array:
            return model.apply(variables, first, second, sizes=sizes, cells=cells, method=method)[0]

        def finish(variables: Any, sums: jax.Array) -> jax.Array:
            raw: Any = model.apply(variables, sums, method="finish")
            return calibrate(raw)

        self._encode, self._finish = jax.jit(encode), jax.jit(finish)
        # Calls from one thread run serially, and convolutions of few channels occupy one core only.
        # So two threads compute the features of the two images.
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
        for tile in tiling.cover(*reference.shape[:2], reach=self._reach, cell=self._cell):
            sizes = np.array([[tile.height, tile.width]], np.int32)
            cells = core_mask(tile, self._cell)[None]
            encode = functools.partial(self._features, tile=tile, sizes=sizes)
            beside = self._threads.submit(with_current_config(encode), distorted)
            features = remember(tile, functools.partial(encode, reference)), beside.result()
            sums = [part(self._variables, *features, sizes, cells) for part in self._sums]
            total = total + np.concatenate(sums)
        return np.asarray(self._finish(self._variables, total))

    def _features(self, image: np.ndarray, tile: tiling.Tile, sizes: np.ndarray) -> Any:
        return self._encode(self._variables, cut(image, tile)[None], sizes)


def with_current_config(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function with this thread's JAX device and precision, for calls from another thread."""
    config: Any = jax.config  # its options have no types
    device, precision = config.jax_default_device, config.jax_default_matmul_precision

    def there(*arguments: Any) -> Any:
        with jax.default_device(device), jax.default_matmul_precision(precision):
            return function(*arguments)

    return there


def core_mask(tile: tiling.Tile, cell: int) -> np.ndarray:
    """Which cells of a tile are in its core, `(rows, columns)` bool."""
    mask = np.zeros([side // cell for side in tile.shape], bool)
    top, bottom, left, right = tile.core
    mask[top:bottom, left:right] = True
    return mask


def cut(image: np.ndarray, tile: tiling.Tile) -> np.ndarray:
    """A tile's part of an image `(H, W, 3)` as float32 in [0, 1], in an array of its shape."""
    part = image[tile.top : tile.top + tile.height, tile.left : tile.left + tile.width]
    if part.shape[:2] == tile.shape:
        return as_float(part)
    window = np.zeros((*tile.shape, 3), np.float32)
    window[: tile.height, : tile.width] = as_float(part)
    return window
