"""Protocols: the part of an image that metrics see, as papers state it beside their scores.

    protocol = NAMED["sr-x4"]  # PSNR and SSIM on Y without 4 pixels at each border
    protocol.of(gsn_jax.metrics.get("psnr"))("original.png", "restored.png")

A metric under a protocol is a `Metric` itself, so that it works wherever metrics do.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any, Literal, TypeVar, get_args

import jax
import jax.numpy as jnp
import numpy as np

from gsn_jax.devices.batches import BatchClass, PairBatch
from gsn_jax.errors import InputError
from gsn_jax.images import ImageLike, as_float, as_pair, check_sizes
from gsn_jax.images.arrays import pair_names
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
from gsn_jax.metrics import displays
from gsn_jax.metrics.displays import Display
from gsn_jax.scoring import pu21, regions
from gsn_jax.scoring.pairs import Hdr, Loading
from gsn_jax.scoring.regions import score_arrays

Luma = Literal["full", "studio"]
Array = TypeVar("Array", np.ndarray, jax.Array)
PairFunction = Callable[[jax.Array, jax.Array], jax.Array]

# Weights of R, G and B and the offset, all over 255, of MATLAB's rgb2gray and rgb2ycbcr (BT.601).
_LUMA: dict[Luma, tuple[tuple[float, float, float], float]] = {
    "full": ((0.298936021293775, 0.587043074451121, 0.114020904255103), 0.0),
    "studio": ((65.481 / 255, 128.553 / 255, 24.966 / 255), 16 / 255),
}


@dataclasses.dataclass(frozen=True)
class Protocol:
    """What metrics see of an image.

    Attributes:
        luma: None for the colours; "full" for the BT.601 luma from 0 to 255 (MATLAB's `rgb2gray`);
            "studio" for the one from 16 to 235 (Y of MATLAB's `rgb2ycbcr`), which papers on
            super-resolution report. Metrics get it as a gray image. It is not rounded, and metrics
            that round the luma of an image to 8 bits do not round it either.
        crop_border: so many rows and columns are removed at each border.
        hdr: "pu21" for HDR images: files as `gsn_jax.images.load_luminance` reads them, or arrays
            of linear RGB with the primaries of BT.709 in cd/m2. Metrics get PU21 values, see
            `gsn_jax.scoring.pu21`. None for sRGB images.
        peak_nits: with `hdr`, the peak luminance of the display in cd/m2, see
            `gsn_jax.images.load_luminance`.
        display: what the images are seen on, for metrics whose score depends on that (cvvdp); its
            name in `gsn_jax.metrics.displays.DISPLAYS`, or a `Display`. Others ignore it.

    Raises:
        InputError: a value is not one of these, or two exclude one another.
    """

    luma: Luma | None = None
    crop_border: int = 0
    hdr: Hdr | None = None
    peak_nits: float | None = None
    display: str | Display | None = None

    def __post_init__(self) -> None:
        if self.luma not in (None, *get_args(Luma)):
            raise InputError(f"luma must be one of {', '.join(get_args(Luma))}, got {self.luma!r}")
        if self.crop_border < 0:
            raise InputError(f"crop_border must be at least 0, got {self.crop_border}")
        if self.hdr not in (None, *get_args(Hdr)):
            raise InputError(f"hdr must be {', '.join(get_args(Hdr))}, got {self.hdr!r}")
        if self.hdr and self.luma:
            raise InputError("hdr has a luminance of its own; leave out luma, and take psnr_y")
        if self.peak_nits is not None:
            pu21.check_peak(self.peak_nits)
            if not self.hdr:
                raise InputError("peak_nits is for HDR images; give hdr pu21 too")
        if self.display is not None:
            displays.named(self.display)

    def __str__(self) -> str:
        parts = {
            f"luma {self.luma}": self.luma,
            f"crop border {self.crop_border}": self.crop_border,
            f"hdr {self.hdr}": self.hdr,
            f"peak {self.peak_nits or 0:g} cd/m2": self.peak_nits,
            f"display {self.display}": self.display,
        }
        return ", ".join(text for text, given in parts.items() if given)

    def of(self, metric: Metric) -> Metric:
        """The metric under this protocol; the metric itself where the protocol changes nothing."""
        seen = self if "display" in _options(metric) else dataclasses.replace(self, display=None)
        return metric if seen == Protocol() else ProtocolMetric(metric, seen)

    def crop(self, image: Array) -> Array:
        """An image `(..., H, W, C)` without its borders.

        Raises:
            InputError: nothing would be left.
        """
        border = self.crop_border
        height, width = image.shape[-3:-1]
        if min(height, width) <= 2 * border:
            raise InputError(
                f"{width} x {height} is too small to remove {border} pixels at each border"
            )
        return image[..., border : height - border, border : width - border, :]

    def prepare(self, image: Array) -> Array:
        """What metrics see of an image `(..., H, W, 3)` of uint8, uint16 or floats in [0, 1].

        Of an HDR image it is the luminance; each metric then gets its own PU21 values of that.

        Returns:
            `(..., H - 2 * crop_border, W - 2 * crop_border, 3)`; a luma as float32 in [0, 1].

        Raises:
            InputError: the image is too small, see `crop`.
        """
        image = self.crop(image)
        if self.luma is None:
            return image
        weights, offset = _LUMA[self.luma]
        values = as_float(image)
        gray = sum(values[..., i, None] * np.float32(weight) for i, weight in enumerate(weights))
        xp: Any = np if isinstance(image, np.ndarray) else jnp
        gray = xp.minimum(gray + np.float32(offset), 1)  # rounding could exceed white
        return xp.broadcast_to(gray, image.shape)


# The protocols of papers on super-resolution by 2, 3 and 4, and of BasicSR's `test_y_channel`.
NAMED = {f"sr-x{scale}": Protocol("studio", scale) for scale in (2, 3, 4)}


def named_protocol(protocol: Protocol | str) -> Protocol:
    """A protocol, which may be given by its name in `NAMED`.

    Raises:
        InputError: no protocol has that name.
    """
    if isinstance(protocol, Protocol):
        return protocol
    if protocol not in NAMED:
        raise InputError(f"unknown protocol {protocol!r}; known: {', '.join(NAMED)}")
    return NAMED[protocol]


def described(protocol: Protocol, loading: Loading) -> dict[str, Any]:
    """What tables of scores say of it: everything that changes the images before metrics get them.

    Args:
        protocol: what metrics see of an image.
        loading: how files become pairs of images.
    """
    reading = {"resize": loading.resize, "alpha": loading.alpha, "align": loading.align}
    display = None if protocol.display is None else str(protocol.display)
    return {**dataclasses.asdict(protocol), "display": display, **reading}


class ProtocolMetric:
    """A metric under a protocol, as a `Metric` with the name of that metric.

    Its quality map lies where the protocol leaves the image, see `map_grid`.

    Attributes:
        name: see `Metric`; likewise the other attributes that the metric has.
        metric: the metric of what the protocol leaves.
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
            options["rounded"] = False  # where the metric otherwise rounds luma to 8 bits
        if protocol.display is not None:
            options["display"] = protocol.display
        self.metric = _with_options(metric, options)
        self.name, self.value_range = metric.name, metric.value_range
        self.higher_is_better = metric.higher_is_better
        self.has_map = metric.has_map and not protocol.hdr
        for name in ("weights", "version", "training", "card"):
            if hasattr(metric, name):
                setattr(self, name, getattr(metric, name))

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
        """A pure function of two images, such as a loss, of what the protocol leaves of them."""

        def prepared(reference: jax.Array, distorted: jax.Array) -> jax.Array:
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
        """The class of a pair; see `gsn_jax.metric.Batching`. HDR images are scored alone.

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
        # Once for each image, so that pairs that share a reference still do.
        seen = {key: self._seen(image) for key, image in images.items()}
        pairs = [(seen[id(first)], seen[id(second)]) for first, second in batch.pairs]
        metric: Any = self.metric
        return metric.score_batch(dataclasses.replace(batch, pairs=pairs))

    def quality_map(self, reference: ImageLike, distorted: ImageLike) -> jax.Array:
        """Local scores of what the protocol leaves, see `Metric`.

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
            InputError: as for the metric, or a mask is 0 everywhere within the borders.
        """
        regions.check_takes_masks([self.metric])
        check_sizes(reference, distorted)
        pair = self._seen(reference), self._seen(distorted)
        metric: Any = self.metric
        return metric.score_regions(*pair, map(self._inner, masks))

    def _inner(self, mask: Mask) -> Mask:
        inner = self.protocol.crop(mask[..., None])[..., 0]
        if not inner.any():
            raise InputError("the mask is empty (0 everywhere) within the borders that are removed")
        return inner

    @property
    def map_grid(self) -> Callable[[int, int], MapGrid] | None:
        """Maps the height and width of an image to the grid of its map in the whole image."""
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
    """Names of what the metric's function takes; none of a trained model."""
    return (
        inspect.signature(metric.function).parameters if isinstance(metric, FunctionMetric) else ()
    )


def _with_options(metric: Metric, options: dict[str, Any]) -> Metric:
    """The metric with those options that it has."""
    taken = {name: value for name, value in options.items() if name in _options(metric)}
    if not taken or not isinstance(metric, FunctionMetric):
        return metric
    functions: dict[str, Any] = {
        name: functools.partial(function, **taken)
        for name in ("function", "map_function", "masked")
        if (function := getattr(metric, name)) is not None
    }
    return dataclasses.replace(metric, **functions)
