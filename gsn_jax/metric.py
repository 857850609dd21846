"""The one protocol behind which GSN and every classical metric stand.

Scoring, evaluation, reports and notebooks know a metric only by this protocol, so that a new
metric works everywhere at once.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Hashable
from typing import Any, Protocol, runtime_checkable

import jax
import numpy as np

from gsn_jax import images
from gsn_jax.errors import InputError

# `remember(key, compute)` gives what was kept under the key for the reference at hand, or else what
# `compute()` gives.
Remember = Callable[[Hashable, Callable[[], Any]], Any]

# A function is compiled for every image size it meets; that many are kept.
_KEPT_SIZES = 32


def forget(_: Hashable, compute: Callable[[], Any]) -> Any:
    """The `Remember` that keeps nothing."""
    return compute()


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


@runtime_checkable
class ReferenceCaching(Protocol):
    """A metric that need not compute a reference's features again for each distorted version."""

    def score_arrays(
        self, reference: np.ndarray, distorted: np.ndarray, remember: Remember = forget
    ) -> jax.Array | np.ndarray:
        """The score of one pair `(H, W, 3)`, uint8 or float32 in [0, 1], a scalar array.

        Raises:
            InputError: the images differ in size or are too small.
        """
        ...


@dataclasses.dataclass(frozen=True, eq=False)
class Stages:
    """A metric's function in two pure parts: `compare(encode(reference), encode(distorted))`.

    Attributes:
        encode: maps an image `(H, W, 3)` to its features, any tree of arrays.
        compare: maps the features of both images to the score, a scalar.
    """

    encode: Callable[[jax.Array], Any]
    compare: Callable[[Any, Any], jax.Array]


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
        stages: the function in two parts, where that spares work on a reference with several
            distorted versions.
    """

    name: str
    function: Callable[[jax.Array, jax.Array], jax.Array]
    higher_is_better: bool
    value_range: tuple[float, float]
    map_function: Callable[[jax.Array, jax.Array], jax.Array] | None = None
    min_size: int = 1
    map_grid: Callable[[int, int], MapGrid] = lambda height, width: MapGrid()
    stages: Stages | None = None

    @functools.cached_property
    def _compiled(self) -> Callable[[jax.Array, jax.Array], jax.Array]:
        return bounded_jit(self.function)

    @functools.cached_property
    def _compiled_stages(self) -> Stages:
        return Stages(bounded_jit(self.stages.encode), bounded_jit(self.stages.compare))

    @functools.cached_property
    def _compiled_map(self) -> Callable[[jax.Array, jax.Array], jax.Array]:
        return bounded_jit(self.map_function)

    def __call__(self, reference: images.ImageLike, distorted: images.ImageLike) -> jax.Array:
        """Scores one pair or a batch of pairs; see `Metric`.

        Raises:
            InputError: the images cannot be read, differ in size, are out of [0, 1] or smaller
                than `min_size`.
        """
        return self._compiled(*images.as_pair(reference, distorted, min_size=self.min_size))

    def score_arrays(
        self, reference: np.ndarray, distorted: np.ndarray, remember: Remember = forget
    ) -> jax.Array:
        """The score of one pair; see `ReferenceCaching`."""
        images.check_sizes(reference, distorted, min_size=self.min_size)
        if self.stages is None or remember is forget:
            return self._compiled(images.as_float(reference), images.as_float(distorted))
        encode, compare = self._compiled_stages.encode, self._compiled_stages.compare
        features = remember("features", lambda: encode(images.as_float(reference)))
        return compare(features, encode(images.as_float(distorted)))

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


def bounded_jit(function: Callable[..., Any], kept: int = _KEPT_SIZES) -> Callable[..., Any]:
    """`jax.jit` that forgets its executables after `kept` different shapes of its arguments.

    A folder of images may hold thousands of sizes, and an executable takes megabytes.
    """
    compiled = jax.jit(function)
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
