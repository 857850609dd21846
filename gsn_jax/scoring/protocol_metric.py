"""A metric under a protocol."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gsn_jax.devices.batches import BatchClass, PairBatch
from gsn_jax.errors import InputError
from gsn_jax.images import ImageLike, as_pair, check_sizes
from gsn_jax.images.arrays import check_no_files, pair_names
from gsn_jax.metric import (
    Batching,
    FunctionMetric,
    MapGrid,
    Mask,
    Metric,
    Remember,
    SizeAware,
    forget,
)
from gsn_jax.scoring import pu21, regions
from gsn_jax.scoring.protocol import Array, Protocol
from gsn_jax.scoring.regions import score_arrays

PairFunction = Callable[[jax.Array, jax.Array], jax.Array]


def under(protocol: Protocol, metric: Metric) -> Metric:
    """The metric under the protocol; the metric itself if the protocol changes nothing."""
    if "display" not in _options(metric):
        protocol = dataclasses.replace(protocol, display=None)
    return metric if protocol == Protocol() else ProtocolMetric(metric, protocol)


class ProtocolMetric:
    """A metric under a protocol, as a `Metric` with the name of that metric.

    Its quality map covers the part of the image that the protocol keeps, see `map_grid`.

    Attributes:
        name: see `Metric`, also for the other attributes taken from the metric.
        metric: the metric, which sees only what the protocol keeps.
        protocol: the protocol.
    """

    def __init__(self, metric: Metric, protocol: Protocol):
        """Compiles nothing yet.

        Raises:
            InputError: the protocol is for HDR images, and the metric is not defined for them.
        """
        self.protocol = protocol
        if protocol.hdr:
            pu21.check_defined(metric)
        options: dict[str, Any] = {}
        if protocol.luma or protocol.hdr:
            options["rounded"] = False  # for metrics that otherwise round luma to 8 bits
        if protocol.display is not None:
            options["display"] = protocol.display
        self.metric = _with_options(metric, options)
        self.name, self.value_range = metric.name, metric.value_range
        self.higher_is_better = metric.higher_is_better
        self.has_map = metric.has_map and not protocol.hdr
        for name in ("weights", "version", "training", "card"):
            if hasattr(metric, name):
                setattr(self, name, getattr(metric, name))

    def __repr__(self) -> str:
        return f"ProtocolMetric({self.metric!r}, {str(self.protocol)!r})"

    def __call__(self, reference: ImageLike, distorted: ImageLike) -> jax.Array:
        """Scores one pair or a batch of pairs, see `Metric`.

        Raises:
            InputError: as for the metric, or the images are too small for the protocol.
        """
        pair = self._prepared(reference, distorted)
        if self.protocol.hdr and isinstance(self.metric, FunctionMetric):
            return self.metric.of_floats(*pair)
        return self.metric(*pair)

    def function(self, reference: jax.Array, distorted: jax.Array) -> jax.Array:
        """The pure function, see `Metric`."""
        return self.seen_by(self.metric.function)(reference, distorted)

    def seen_by(self, function: PairFunction) -> PairFunction:
        """Applies the protocol to both images before a pure function of them, such as a loss."""

        def prepared(reference: jax.Array, distorted: jax.Array) -> jax.Array:
            check_no_files(self.name, reference, distorted)
            pair = (self._seen(jnp.asarray(image)) for image in (reference, distorted))
            return function(*pair)

        return prepared

    def score_arrays(
        self, reference: np.ndarray, distorted: np.ndarray, remember: Remember = forget
    ) -> jax.Array | np.ndarray:
        """The score of one pair; see `gsn_jax.metric.ReferenceCaching`."""
        check_sizes(reference, distorted)
        pair = self._seen(reference), self._seen(distorted)
        return np.asarray(score_arrays(self.metric, *pair, remember), np.float32)

    def expect(self, size: tuple[int, int], uses: int) -> None:
        """Announces pairs; see `gsn_jax.metric.SizeAware`."""
        height, width = (side - 2 * self.protocol.crop_border for side in size)
        if isinstance(self.metric, SizeAware) and min(height, width) > 0:
            self.metric.expect((height, width), uses)

    def batch_class(self, size: tuple[int, int]) -> BatchClass | None:
        """The class of a pair; see `gsn_jax.metric.Batching`. HDR images are not batched.

        Raises:
            InputError: as for the metric, or the images are too small for the protocol.
        """
        if self.protocol.hdr or not isinstance(self.metric, Batching):
            return None
        height, width, _ = self.protocol.crop(np.broadcast_to(np.uint8(0), (*size, 1))).shape
        return self.metric.batch_class((height, width))

    def score_batch(self, batch: PairBatch) -> jax.Array:
        """Starts to score a batch; see `gsn_jax.metric.Batching`."""
        images = {id(image): image for pair in batch.pairs for image in pair}
        # Once per image: batches recognise a shared reference by its identity.
        seen = {key: self._seen(image) for key, image in images.items()}
        pairs = [(seen[id(first)], seen[id(second)]) for first, second in batch.pairs]
        metric: Any = self.metric
        return metric.score_batch(dataclasses.replace(batch, pairs=pairs))

    def quality_map(self, reference: ImageLike, distorted: ImageLike) -> jax.Array:
        """Local scores of what the protocol keeps, see `Metric`.

        Raises:
            InputError: as for a call, or the metric has no map.
        """
        if not self.has_map:
            raise InputError(f"metric {self.name!r} has no quality map with {self.protocol}")
        return self.metric.quality_map(*self._prepared(reference, distorted))

    @property
    def takes_masks(self) -> bool:
        """Whether `score_regions` is available."""
        return regions.takes_masks(self.metric)

    def score_regions(
        self, reference: np.ndarray, distorted: np.ndarray, masks: Iterable[Mask]
    ) -> list[float]:
        """Scores one pair under each mask of its size; see `gsn_jax.metric.Regional`.

        Raises:
            InputError: as for the metric, or a mask is 0 everywhere in what the protocol keeps.
        """
        regions.check_takes_masks([self.metric])
        check_sizes(reference, distorted)
        pair = self._seen(reference), self._seen(distorted)
        metric: Any = self.metric
        return metric.score_regions(*pair, map(self._inner, masks))

    def _inner(self, mask: Mask) -> Mask:
        inner = self.protocol.crop(mask[..., None])[..., 0]
        if not inner.any():
            raise InputError("the mask is empty (0 everywhere) once the borders are removed")
        return inner

    @property
    def map_grid(self) -> Callable[[int, int], MapGrid] | None:
        """Maps the height and width of the whole image to the grid of its map in it."""
        declared = getattr(self.metric, "map_grid", None)
        if declared is None:
            return None
        border = self.protocol.crop_border

        def grid(height: int, width: int) -> MapGrid:
            inner = declared(height - 2 * border, width - 2 * border)
            return MapGrid(inner.step, inner.first + border)

        return grid

    def as_pair(self, reference: ImageLike, distorted: ImageLike) -> tuple[Any, Any]:
        """Both images as checked arrays `(..., H, W, 3)`: sRGB, or luminance for HDR.

        Raises:
            InputError: see `gsn_jax.images.as_pair` and `gsn_jax.scoring.pu21.as_luminance`.
        """
        if not self.protocol.hdr:
            return as_pair(reference, distorted)
        names = pair_names(reference, distorted)
        first, second = (
            pu21.as_luminance(image, name, self.protocol.peak_nits)
            for image, name in zip((reference, distorted), names, strict=True)
        )
        check_sizes(first, second, names)
        return first, second

    def _prepared(self, reference: ImageLike, distorted: ImageLike) -> list[Any]:
        return [self._seen(image) for image in self.as_pair(reference, distorted)]

    def _seen(self, image: Array) -> Array:
        """What the metric sees of a checked image."""
        left = self.protocol.prepare(image)
        return pu21.seen_by(self.name, left) if self.protocol.hdr else left


def _options(metric: Metric) -> Iterable[str]:
    """Names of the parameters of the metric's function; none for a trained model."""
    return (
        inspect.signature(metric.function).parameters if isinstance(metric, FunctionMetric) else ()
    )


def _with_options(metric: Metric, options: dict[str, Any]) -> Metric:
    """The metric with those of the options that its function takes."""
    taken = {name: value for name, value in options.items() if name in _options(metric)}
    if not taken or not isinstance(metric, FunctionMetric):
        return metric
    functions: dict[str, Any] = {
        name: functools.partial(function, **taken)
        for name in ("function", "map_function", "masked")
        if (function := getattr(metric, name)) is not None
    }
    return dataclasses.replace(metric, **functions)
