"""A trained model applied to images of any size, with few compilations and bounded memory."""

from __future__ import annotations

import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import flax.linen as nn
import jax
import numpy as np

from gsn_jax.gsn import CELL
from gsn_jax.images import as_float
from gsn_jax.metric import Remember, forget
from gsn_jax.scoring import tiling


class TiledModel:
    """Scores one pair after the other, each tile by functions compiled for the tile's shape.

    One gives the features of an image, two the sums of the comparison of two images' features. They
    are apart because what XLA computes at a time it also stores at a time, and more than 32 MB are
    taken from the system for every call, which can take longer than the computation.
    """

    def __init__(
        self, model: nn.Module, variables: Any, calibrate: Callable[[jax.Array], jax.Array]
    ):
        """Compiles nothing yet.

        Args:
            model: a GSN whose `reach` is known.
            variables: of the model.
            calibrate: raw score to what `score` gives.
        """
        self._variables, self._reach, self._sums_size = variables, model.reach, model.sums_size

        # The variables are arguments: as constants they would be compiled in, slowly.
        def encode(variables: Any, image: jax.Array, sizes: jax.Array) -> Any:
            return model.apply(variables, image, sizes=sizes, method="encode")

        def sums(
            method: str, variables: Any, first: Any, second: Any, sizes: jax.Array, core: jax.Array
        ) -> jax.Array:
            return model.apply(variables, first, second, sizes=sizes, core=core, method=method)[0]

        def finish(variables: Any, sums: jax.Array) -> jax.Array:
            return calibrate(model.apply(variables, sums, method="finish"))

        self._encode, self._finish = jax.jit(encode), jax.jit(finish)
        # XLA computes one after the other what one thread asks for, and convolutions of few
        # channels on one core: so two threads ask for the features of the two images.
        self._threads = ThreadPoolExecutor(thread_name_prefix="gsn_jax")
        self._sums = [
            jax.jit(functools.partial(sums, method)) for method in ("map_sums", "moment_sums")
        ]

    def score(
        self, reference: np.ndarray, distorted: np.ndarray, remember: Remember = forget
    ) -> np.ndarray:
        """The score of one pair `(H, W, 3)`, a scalar array.

        Args:
            reference: uint8, or float32 in [0, 1].
            distorted: of the same size.
            remember: keeps the reference's features, one tree per tile; see `gsn_jax.metric`.
        """
        total = np.zeros(self._sums_size, np.float32)
        for tile in tiling.cover(*reference.shape[:2], reach=self._reach, cell=CELL):
            sizes = np.array([[tile.height, tile.width]], np.int32)
            core = np.array([tile.core], np.int32)
            encode = functools.partial(self._features, tile=tile, sizes=sizes)
            beside = self._threads.submit(as_here(encode), distorted)
            features = remember(tile, lambda encode=encode: encode(reference)), beside.result()
            sums = [part(self._variables, *features, sizes, core) for part in self._sums]
            total = total + np.concatenate(sums)
        return np.asarray(self._finish(self._variables, total))

    def _features(self, image: np.ndarray, tile: tiling.Tile, sizes: np.ndarray) -> Any:
        return self._encode(self._variables, cut(image, tile)[None], sizes)


def as_here(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function for another thread, which knows nothing of the contexts of this one."""
    device, precision = jax.config.jax_default_device, jax.config.jax_default_matmul_precision

    def there(*arguments: Any) -> Any:
        with jax.default_device(device), jax.default_matmul_precision(precision):
            return function(*arguments)

    return there


def cut(image: np.ndarray, tile: tiling.Tile) -> np.ndarray:
    """A tile's part of an image `(H, W, 3)` as float32 in [0, 1], in an array of its shape."""
    part = image[tile.top : tile.top + tile.height, tile.left : tile.left + tile.width]
    if part.shape[:2] == tile.shape:
        return as_float(part)
    window = np.zeros((*tile.shape, 3), np.float32)
    window[: tile.height, : tile.width] = as_float(part)
    return window
