"""A trained model applied to images of any size, with few compilations and bounded memory."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from gsn_jax import tiling
from gsn_jax.gsn import CELL
from gsn_jax.images import as_float
from gsn_jax.metric import Remember, forget


class TiledModel:
    """Scores one pair after the other, each tile by a function compiled for the tile's shape.

    The function takes the reference's features and an image, and gives the image's features and
    the sums of the comparison; for a reference it skips the comparison. One function per shape,
    used for both, halves the compilations.
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
        self._model, self._variables = model, variables
        self._reach = model.reach
        # The variables are arguments: as constants they would be compiled in, slowly.
        self._step = jax.jit(self._encode_and_compare)
        self._finish = jax.jit(
            lambda variables, sums: calibrate(model.apply(variables, sums, method="finish"))
        )
        self._no_features = functools.cache(self._blank_features)

    def score(
        self, reference: np.ndarray, distorted: np.ndarray, remember: Remember = forget
    ) -> np.ndarray:
        """The score of one pair `(H, W, 3)`, a scalar array.

        Args:
            reference: uint8, or float32 in [0, 1].
            distorted: of the same size.
            remember: keeps the reference's features, one tree per tile; see `gsn_jax.metric`.
        """
        sums = np.zeros(self._model.sums_size, np.float32)
        for tile in tiling.cover(*reference.shape[:2], reach=self._reach, cell=CELL):
            features = remember(tile, functools.partial(self._encode, reference, tile))
            sums = sums + np.asarray(self._run(features, distorted, tile, compare=True)[1])
        return np.asarray(self._finish(self._variables, sums))

    def _encode(self, image: np.ndarray, tile: tiling.Tile) -> Any:
        return self._run(self._no_features(tile.shape), image, tile, compare=False)[0]

    def _run(
        self, features: Any, image: np.ndarray, tile: tiling.Tile, *, compare: bool
    ) -> tuple[Any, jax.Array]:
        window = cut(image, tile)
        geometry = np.array([tile.height, tile.width, *tile.core], np.int32)
        return self._step(self._variables, features, window, geometry, np.bool_(compare))

    def _encode_and_compare(
        self,
        variables: Any,
        reference: Any,
        image: jax.Array,
        geometry: jax.Array,
        compare: jax.Array,
    ) -> tuple[Any, jax.Array]:
        sizes, core = geometry[None, :2], geometry[None, 2:]
        features = self._model.apply(variables, image[None], sizes=sizes, method="encode")
        sums = jax.lax.cond(
            compare,
            lambda: self._model.apply(
                variables, reference, features, sizes=sizes, core=core, method="sums"
            )[0],
            lambda: jnp.zeros(self._model.sums_size),
        )
        return features, sums

    def _blank_features(self, shape: tiling.Shape) -> Any:
        image = jax.ShapeDtypeStruct((1, *shape, 3), jnp.float32)
        encode = functools.partial(self._model.apply, method="encode")
        shapes = jax.eval_shape(encode, self._variables, image)
        zeros = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), shapes)
        return jax.device_put(zeros)


def cut(image: np.ndarray, tile: tiling.Tile) -> np.ndarray:
    """A tile's part of an image `(H, W, 3)` as float32 in [0, 1], in an array of its shape."""
    part = image[tile.top : tile.top + tile.height, tile.left : tile.left + tile.width]
    if part.shape[:2] == tile.shape:
        return as_float(part)
    window = np.zeros((*tile.shape, 3), np.float32)
    window[: tile.height, : tile.width] = as_float(part)
    return window
