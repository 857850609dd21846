"""Compiled functions of image pairs, with a bounded number of programs for many image sizes."""

from __future__ import annotations

import collections
import functools
from collections.abc import Callable, Hashable
from typing import Any

import jax
import numpy as np

from gsn_jax.images import as_float
from gsn_jax.images.size_classes import Shape, extent_of, placed

# A function is compiled for every image size. After this many sizes, all its programs are dropped
# and recompiled as needed.
_KEPT_SIZES = 32

# From this many pairs of one size on, a program for exactly that size is compiled: padding would
# then cost more time than the compilation.
FREQUENT = 8


class PairProgram:
    """A function of one pair, compiled per size class, and once more for each frequent size.

    The scores of the size-class program and the exact-size program differ by at most 1e-6, relative
    for scores above 1.
    """

    def __init__(
        self,
        function: Callable[..., jax.Array],
        size_class: Callable[[int, int], Shape | None] | None,
    ):
        """Compiles nothing yet.

        Args:
            function: maps two float arrays `(H, W, 3)` in [0, 1] to a score.
            size_class: maps a height and width to the shape of the padded images, which the
                function takes with their `extent`; None if it takes no padded images.
        """
        self._exact, self._padded = bounded_jit(function), jax.jit(function)
        self._size_class = size_class
        self._uses: collections.Counter[Shape] = collections.Counter()

    def expect(self, size: Shape, uses: int) -> None:
        """Announces how many pairs of this height and width will be scored."""
        self._uses[size] = max(self._uses[size], uses)

    def shape_of(self, size: Shape) -> Shape | None:
        """Counts one more pair of this size; returns its size class, or None for the exact size."""
        self._uses[size] += 1
        if self._size_class is None or self._uses[size] >= FREQUENT:
            return None
        return self._size_class(*size)

    def __call__(
        self, reference: np.ndarray | jax.Array, distorted: np.ndarray | jax.Array
    ) -> jax.Array:
        """The score of two images `(H, W, 3)`, uint8, uint16 or floats in [0, 1]."""
        return self.score(
            reference, distorted, self.shape_of((reference.shape[0], reference.shape[1]))
        )

    def score(
        self,
        reference: np.ndarray | jax.Array,
        distorted: np.ndarray | jax.Array,
        shape: Shape | None,
    ) -> jax.Array:
        """As a call, with the images padded to `shape`, from `shape_of`; None for no padding."""
        if shape is None:
            return self._exact(as_float(reference), as_float(distorted))
        pair = placed(reference, shape), placed(distorted, shape)
        return self._padded(*pair, extent=extent_of(reference))


def bounded_jit(function: Callable[..., Any], kept: int = _KEPT_SIZES) -> Callable[..., Any]:
    """`jax.jit` that drops its executables after `kept` different shapes of the arguments.

    A folder of images may hold thousands of sizes, and each executable takes megabytes.
    """
    compiled: Any = jax.jit(function)
    seen: set[Hashable] = set()

    @functools.wraps(function)
    def bounded(*arguments: Any) -> Any:
        shapes = tuple(
            (np.shape(leaf), getattr(leaf, "dtype", None)) for leaf in jax.tree.leaves(arguments)
        )
        if shapes not in seen and len(seen) >= kept:
            compiled.clear_cache()
            seen.clear()
        seen.add(shapes)
        return compiled(*arguments)

    return bounded
