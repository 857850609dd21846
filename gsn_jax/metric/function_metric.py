"""A pure function as a `Metric`."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Callable, Iterable
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Float

from gsn_jax import images
from gsn_jax.compilation import PairProgram, bounded_jit
from gsn_jax.devices import batches
from gsn_jax.devices.batches import BatchClass, PairBatch
from gsn_jax.errors import InputError
from gsn_jax.images.masks import cell_weights
from gsn_jax.images.size_classes import Extent, Shape, size_class
from gsn_jax.metric.protocols import MapGrid, Mask, Remember, forget

# Number of cell weights in memory at a time: 128 MiB.
_WEIGHTS_AT_ONCE = 2**25


@dataclasses.dataclass(frozen=True, eq=False)
class Stages:
    """A metric's function in two pure parts: `compare(encode(reference), encode(distorted))`.

    Attributes:
        encode: maps an image `(H, W, 3)` to its features, a tree of arrays.
        compare: maps the features of both images to the score, a scalar.
        largest: pixels of the largest image for which storing features is worth the memory.
    """

    encode: Callable[[jax.Array], Any]
    compare: Callable[[Any, Any], jax.Array]
    largest: float = float("inf")


def every_pixel(height: int, width: int) -> MapGrid:
    """The grid of a map with one cell per pixel."""
    del height, width
    return MapGrid()


@dataclasses.dataclass(frozen=True, eq=False)
class FunctionMetric:
    """A pure function `(reference, distorted) -> score` as a `Metric`.

    The function gets checked float32 arrays `(..., H, W, 3)` in [0, 1]. It is compiled once per
    image size and batch shape; a single pair shares a program with all sizes of its class if the
    function takes padded images. Pickled and deep copies compile again.

    Attributes:
        name: registry name.
        function: pure, jit-able; maps two `(..., H, W, 3)` arrays to scores of shape `(...)`.
        higher_is_better: direction of the score.
        value_range: smallest and largest possible score.
        map_function: pure, jit-able; maps two `(..., H, W, 3)` arrays to a local score
            `(..., h, w)` in the direction of the score; None if the method has no map.
        min_size: smallest height and width for which the method is defined.
        map_grid: maps the height and width of an image to the grid of its map.
        stages: the function in two parts, where that saves work on a reference with several
            distorted versions.
        padded: whether `function` takes images in the top left corners of larger arrays, with
            their `extent` (see `gsn_jax.images.size_classes`).
        size_class: maps the height and width of an image to those of its array, or to None if the
            image is not padded.
        masked: pure, jit-able; maps one pair `(H, W, 3)` and weights in [0, 1] on the grid of the
            map to the score under these weights. With equal weights, that is the score of
            `function`. None if the method pools more than local values.
    """

    name: str
    function: Callable[..., jax.Array]
    higher_is_better: bool
    value_range: tuple[float, float]
    map_function: Callable[[jax.Array, jax.Array], jax.Array] | None = None
    min_size: int = 1
    map_grid: Callable[[int, int], MapGrid] = every_pixel
    stages: Stages | None = None
    padded: bool = False
    size_class: Callable[[int, int], Shape | None] = size_class
    masked: Callable[..., jax.Array] | None = None

    def __repr__(self) -> str:
        return (
            f"FunctionMetric({self.name!r}, higher_is_better={self.higher_is_better}, "
            f"value_range={self.value_range})"
        )

    def __getstate__(self) -> dict[str, Any]:
        return declared_fields(self)

    @functools.cached_property
    def _compiled(self) -> Callable[..., jax.Array]:
        return bounded_jit(self.function)

    @functools.cached_property
    def _program(self) -> PairProgram:
        return PairProgram(self.function, self.size_class if self.padded else None)

    @functools.cached_property
    def _compiled_stages(self) -> Stages | None:
        if self.stages is None:
            return None
        encode, compare = bounded_jit(self.stages.encode), bounded_jit(self.stages.compare)
        return dataclasses.replace(self.stages, encode=encode, compare=compare)

    @functools.cached_property
    def _compiled_map(self) -> Callable[..., jax.Array] | None:
        return None if self.map_function is None else bounded_jit(self.map_function)

    def __call__(
        self, reference: images.ImageLike, distorted: images.ImageLike
    ) -> Float[Array, "*batch"]:
        """Scores one pair or a batch of pairs; see `Metric`.

        Raises:
            InputError: the images cannot be read, differ in size, are outside [0, 1], or are
                smaller than `min_size`.
        """
        return self.of_floats(*images.as_pair(reference, distorted, min_size=self.min_size))

    def of_floats(
        self, reference: np.ndarray | jax.Array, distorted: np.ndarray | jax.Array
    ) -> Float[Array, "*batch"]:
        """Scores float32 arrays `(..., H, W, 3)` whose values may exceed 1, as those of PU21 do.

        Raises:
            InputError: the images differ in size or are too small.
        """
        images.check_sizes(reference, distorted, min_size=self.min_size)
        traced = any(isinstance(image, jax.core.Tracer) for image in (reference, distorted))
        if traced or reference.ndim > 3:
            return self._compiled(reference, distorted)
        return self._program(reference, distorted)

    def expect(self, size: tuple[int, int], uses: int) -> None:
        """Announces pairs; see `SizeAware`."""
        self._program.expect(size, uses)

    def score_arrays(
        self, reference: np.ndarray, distorted: np.ndarray, remember: Remember = forget
    ) -> Float[Array, ""]:
        """Scores one pair; see `ReferenceCaching`."""
        images.check_sizes(reference, distorted, min_size=self.min_size)
        stages, (height, width) = self._compiled_stages, reference.shape[:2]
        shape = self._program.shape_of((height, width))
        alone = shape is not None or remember is forget
        if stages is None or alone or height * width > stages.largest:
            return self._program.score(reference, distorted, shape)
        features = remember("features", lambda: stages.encode(images.as_float(reference)))
        return stages.compare(features, stages.encode(images.as_float(distorted)))

    def batch_class(self, size: tuple[int, int]) -> BatchClass | None:
        """The class of a pair; see `Batching`."""
        images.check_size(size, min_size=self.min_size)
        shape = self._program.shape_of(size)
        kind = BatchClass(shape or size, padded=shape is not None)
        return kind if kind.pixels <= batches.LARGEST_PIXELS else None

    def score_batch(self, batch: PairBatch) -> Float[Array, " n"]:
        """Starts scoring a batch; see `Batching`."""
        arrays = batch.arrays(batch.kind.shape)
        if not batch.kind.padded:
            arrays = arrays._replace(reference_sizes=None, sizes=None)
        return self._batch_program(batch.largest(), arrays)

    @functools.cached_property
    def _batch_program(self) -> Callable[..., jax.Array]:
        def scores(largest: jax.Array, arrays: batches.Arrays) -> jax.Array:
            first = batches.as_unit(arrays.references, largest)
            second = batches.as_unit(arrays.distorted, largest)
            if arrays.sizes is not None:
                extent = Extent(arrays.sizes[:, 0], arrays.sizes[:, 1])
                first = batches.of_references(first, arrays.which)
                return self.function(first, second, extent=extent)
            if self.stages is None or first.shape[-3] * first.shape[-2] > self.stages.largest:
                return self.function(batches.of_references(first, arrays.which), second)
            encode = jax.vmap(self.stages.encode)
            features = batches.of_references(encode(first), arrays.which)
            return jax.vmap(self.stages.compare)(features, encode(second))

        return batches.on_every_device(scores)

    @property
    def takes_masks(self) -> bool:
        """Whether `score_regions` is available."""
        return self.masked is not None

    def score_regions(
        self, reference: np.ndarray, distorted: np.ndarray, masks: Iterable[Mask]
    ) -> list[float]:
        """Scores one pair under each mask; see `Regional`."""
        images.check_sizes(reference, distorted, min_size=self.min_size)
        if self._compiled_masked is None:
            raise InputError(f"metric {self.name!r} cannot be used with a mask")
        height, width = reference.shape[:2]
        grid = self.map_grid(height, width)
        cells = self._map_size(height, width)
        pair = images.as_float(reference), images.as_float(distorted)
        weights = (cell_weights(mask, grid.step, grid.first, cells) for mask in masks)
        at_once = max(1, _WEIGHTS_AT_ONCE // (cells[0] * cells[1]))
        scores: list[float] = []
        while part := list(itertools.islice(weights, at_once)):
            scores += self._compiled_masked(*pair, np.stack(part)).tolist()
        return scores

    @functools.cached_property
    def _compiled_masked(self) -> Callable[..., jax.Array] | None:
        # Maps over the weights only: everything before the pooling is computed once.
        return None if self.masked is None else bounded_jit(jax.vmap(self.masked, (None, None, 0)))

    def _map_size(self, height: int, width: int) -> tuple[int, int]:
        image = jax.ShapeDtypeStruct((height, width, 3), np.float32)
        assert self.map_function is not None  # `masked` weighs the cells of the map
        rows, columns = jax.eval_shape(self.map_function, image, image).shape
        return rows, columns

    @property
    def has_map(self) -> bool:
        """Whether `quality_map` is available."""
        return self.map_function is not None

    def quality_map(
        self, reference: images.ImageLike, distorted: images.ImageLike
    ) -> Float[Array, "*batch h w"]:
        """Returns local scores; h and w may be smaller than the image's.

        Raises:
            InputError: as for a call, or the method has no map.
        """
        if self._compiled_map is None:
            raise InputError(f"metric {self.name!r} has no quality map")
        return self._compiled_map(*images.as_pair(reference, distorted, min_size=self.min_size))


def declared_fields(instance: Any) -> dict[str, Any]:
    """The values of a dataclass's fields, without cached properties, which cannot be pickled."""
    return {field.name: getattr(instance, field.name) for field in dataclasses.fields(instance)}
