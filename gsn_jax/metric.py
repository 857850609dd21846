"""The one protocol behind which GSN and every classical metric stand.

Scoring, evaluation, reports and notebooks know a metric only by this protocol, so that a new
metric works everywhere at once.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Protocol, runtime_checkable

import jax

from gsn_jax import images
from gsn_jax.errors import InputError


@dataclasses.dataclass(frozen=True)
class MapGrid:
    """Where the cells of a quality map lie in the image, along both axes.

    Attributes:
        step: pixels from one cell to the next.
        first: the pixel (0 is the centre of the first one) on which the first cell is centred.
    """

    step: int = 1
    first: float = 0.0


@runtime_checkable
class Metric(Protocol):
    """A full-reference quality metric: `metric(reference, distorted) -> score`.

    `reference` and `distorted` are paths, or arrays `(..., H, W, 3)` (uint8, or floats in
    [0, 1], sRGB) of equal shape; the result has the leading shape `(...)`, a scalar array for a
    single pair.

    Attributes:
        name: the metric's registry name, e.g. "psnr".
        higher_is_better: True for a quality (PSNR, SSIM, GSN), False for a distance (LPIPS).
        value_range: smallest and largest possible score, `float("inf")` where unbounded.
        function: the pure function behind it, from float arrays `(..., H, W, 3)` in [0, 1] to
            scores `(...)`, for use under `jit`, `vmap` and `grad`; it checks nothing.
        has_map: whether `quality_map(reference, distorted)` gives local scores `(..., h, w)`.
    """

    name: str
    higher_is_better: bool
    value_range: tuple[float, float]
    function: Callable[[jax.Array, jax.Array], jax.Array]
    has_map: bool

    def __call__(self, reference: images.ImageLike, distorted: images.ImageLike) -> jax.Array:
        """Scores one pair or a batch of pairs."""
        ...

    def quality_map(self, reference: images.ImageLike, distorted: images.ImageLike) -> jax.Array:
        """Local scores; `InputError` where `has_map` is False."""
        ...


@dataclasses.dataclass(frozen=True, eq=False)
class FunctionMetric:
    """A pure function `(reference, distorted) -> score` as a `Metric`.

    The function sees float32 arrays `(..., H, W, 3)` in [0, 1] that were checked at the door; it
    is compiled once per image size and batch shape.

    Attributes:
        name: registry name.
        function: pure, jit-able; maps two `(..., H, W, 3)` arrays to scores of shape `(...)`.
        higher_is_better: direction of the score.
        value_range: smallest and largest possible score.
        map_function: pure, jit-able; maps two `(..., H, W, 3)` arrays to a local score
            `(..., h, w)` in the direction of the score, or None where the method has no map.
        min_size: smallest height and width the method is defined for.
        map_grid: height and width of an image to the grid of its map; by default the map has a cell
            per pixel.
    """

    name: str
    function: Callable[[jax.Array, jax.Array], jax.Array]
    higher_is_better: bool
    value_range: tuple[float, float]
    map_function: Callable[[jax.Array, jax.Array], jax.Array] | None = None
    min_size: int = 1
    map_grid: Callable[[int, int], MapGrid] = lambda height, width: MapGrid()

    @functools.cached_property
    def _compiled(self) -> Callable[[jax.Array, jax.Array], jax.Array]:
        return jax.jit(self.function)

    @functools.cached_property
    def _compiled_map(self) -> Callable[[jax.Array, jax.Array], jax.Array]:
        return jax.jit(self.map_function)

    def __call__(self, reference: images.ImageLike, distorted: images.ImageLike) -> jax.Array:
        """Scores one pair or a batch of pairs; see `Metric`.

        Raises:
            InputError: the images cannot be read, differ in size, are out of [0, 1] or smaller
                than `min_size`.
        """
        return self._compiled(*images.as_pair(reference, distorted, min_size=self.min_size))

    @property
    def has_map(self) -> bool:
        """Whether `quality_map` is available."""
        return self.map_function is not None

    def quality_map(self, reference: images.ImageLike, distorted: images.ImageLike) -> jax.Array:
        """The local score `(..., h, w)`; h and w may be smaller than the image's.

        Raises:
            InputError: as for a call, or the method has no map.
        """
        if self.map_function is None:
            raise InputError(f"metric {self.name!r} has no quality map")
        return self._compiled_map(*images.as_pair(reference, distorted, min_size=self.min_size))
