"""The `Metric` protocol, and protocols for the optional abilities of a metric."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable, Iterable
from typing import Any, Protocol, runtime_checkable

import jax
import numpy as np
from jaxtyping import Array, Float

from gsn_jax import images
from gsn_jax.devices.batches import BatchClass, PairBatch

# `remember(key, compute)` returns what is stored under the key for the current reference, or
# computes and stores it.
Remember = Callable[[Hashable, Callable[[], Any]], Any]

# Weight of each pixel of an image, in [0, 1].
Mask = Float[np.ndarray, "h w"]


@dataclasses.dataclass(frozen=True)
class MapGrid:
    """Where the cells of a quality map lie in the image, along both axes.

    Attributes:
        step: distance between neighbouring cells, in pixels.
        first: position of the first cell's centre, in pixels from the centre of the first pixel.
    """

    step: int = 1
    first: float = 0.0


@runtime_checkable
class Metric(Protocol):
    """A full-reference quality metric: `metric(reference, distorted) -> score`.

    `reference` and `distorted` are paths, or arrays `(..., H, W, 3)` (uint8, or floats in
    [0, 1], sRGB) of equal shape. The result has the leading shape `(...)`; it is a scalar array for
    a single pair.
    """

    @property
    def name(self) -> str:
        """The registry name, e.g. "psnr"."""
        ...

    @property
    def higher_is_better(self) -> bool:
        """True for a quality (PSNR, SSIM, GSN), False for a distance (LPIPS)."""
        ...

    @property
    def value_range(self) -> tuple[float, float]:
        """Smallest and largest possible score, `float("inf")` where unbounded."""
        ...

    @property
    def function(self) -> Callable[[jax.Array, jax.Array], jax.Array]:
        """The pure function from float arrays `(..., H, W, 3)` in [0, 1] to scores `(...)`.

        It is for use under `jit`, `vmap` and `grad`, and does not check values.
        """
        ...

    @property
    def has_map(self) -> bool:
        """Whether `quality_map` is available."""
        ...

    def __call__(
        self, reference: images.ImageLike, distorted: images.ImageLike
    ) -> Float[Array, "*batch"]:
        """Scores one pair or a batch of pairs."""
        ...

    def quality_map(
        self, reference: images.ImageLike, distorted: images.ImageLike
    ) -> Float[Array, "*batch h w"]:
        """Returns local scores.

        Raises:
            InputError: `has_map` is False.
        """
        ...


def forget(_: Hashable, compute: Callable[[], Any]) -> Any:
    """The `Remember` that stores nothing."""
    return compute()


@runtime_checkable
class ReferenceCaching(Protocol):
    """A metric that computes a reference's features once for all its distorted versions."""

    def score_arrays(
        self, reference: np.ndarray, distorted: np.ndarray, remember: Remember = forget
    ) -> jax.Array | np.ndarray:
        """Scores one pair `(H, W, 3)`, uint8 or float32 in [0, 1]; returns a scalar array.

        Raises:
            InputError: the images differ in size or are too small.
        """
        ...


@runtime_checkable
class Regional(Protocol):
    """A metric that can score regions of a pair, if `takes_masks` is true."""

    @property
    def takes_masks(self) -> bool:
        """Whether `score_regions` is available."""
        ...

    def score_regions(
        self, reference: np.ndarray, distorted: np.ndarray, masks: Iterable[Mask]
    ) -> list[float]:
        """Scores one pair `(H, W, 3)` under each of several masks.

        Args:
            reference: uint8, or float32 in [0, 1].
            distorted: likewise.
            masks: weights of the pixels; none may be 0 everywhere.

        Raises:
            InputError: `takes_masks` is False, or as for `ReferenceCaching.score_arrays`.
        """
        ...


@runtime_checkable
class SizeAware(Protocol):
    """A metric that compiles a dedicated program for each image size that occurs often."""

    def expect(self, size: tuple[int, int], uses: int) -> None:
        """Announces that `uses` pairs of this height and width will be scored."""
        ...


@runtime_checkable
class Batching(Protocol):
    """A metric that scores batches of pairs, divided over the local devices."""

    def batch_class(self, size: tuple[int, int]) -> BatchClass | None:
        """The class of a pair of this height and width; None if it must be scored alone.

        Raises:
            InputError: the images are too small.
        """
        ...

    def score_batch(self, batch: PairBatch) -> jax.Array:
        """Starts scoring the pairs of a batch, and returns `(N,)` scores on the devices."""
        ...
