"""Batches of pairs sharded over the local devices, without communication between them.

A batch holds pairs of one class: images that fit into arrays of one shape. Every device gets the
same number of pairs and applies the same program to them. The last batch of a class is filled up
with copies of a pair, whose scores are dropped.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from gsn_jax.compilation import bounded_jit
from gsn_jax.images import as_float

Images = tuple[np.ndarray, np.ndarray]
Shape = tuple[int, int]

_AXIS = "pairs"

# Larger images are not batched: each fills a device, and copies of it would fill the memory.
LARGEST_PIXELS = 2**24

# On an accelerator, a batch may take a quarter of the memory. The largest metrics hold, for each
# pixel of a pair, about 64 channels of both images in float32, four times over.
_SHARE_OF_MEMORY = 4
_BYTES_PER_PIXEL = 2048
_ASSUMED_MEMORY = 8 * 2**30  # if a device does not report its own
_MOST_PAIRS = 64


class BatchClass(NamedTuple):
    """What the pairs of a batch have in common, besides the dtype of their images.

    Attributes:
        shape: height and width of the arrays that hold the images.
        padded: whether images may be smaller than their arrays.
        tiles: number of arrays that an image is divided into.
    """

    shape: Shape
    padded: bool = False
    tiles: int = 1

    @property
    def pixels(self) -> int:
        """Pixels per array."""
        return self.shape[0] * self.shape[1]


class Arrays(NamedTuple):
    """A batch on the devices; every array is sharded over them along its first axis.

    Attributes:
        references: `(R, H, W, 3)`, the distinct references of each device's share.
        distorted: `(N, H, W, 3)`.
        reference_sizes: true heights and widths of the references, `(R, 2)` int32; None if images
            fill their arrays.
        sizes: true heights and widths of the distorted images, `(N, 2)` int32, or None.
        which: `(N,)` int32, index of each distorted image's reference within its device's share.
    """

    references: jax.Array
    distorted: jax.Array
    reference_sizes: jax.Array | None
    sizes: jax.Array | None
    which: jax.Array


@functools.cache
def mesh() -> Mesh:
    """A mesh of the local devices of this process, along one axis."""
    return Mesh(np.asarray(jax.local_devices()), (_AXIS,))


def replicated(tree: Any) -> Any:
    """Copies the arrays of a tree to every local device."""
    return jax.device_put(tree, NamedSharding(mesh(), PartitionSpec()))


def divided(array: np.ndarray) -> jax.Array:
    """Shards an array along its first axis over the local devices."""
    return jax.device_put(array, NamedSharding(mesh(), PartitionSpec(_AXIS)))


def on_every_device(function: Callable[..., jax.Array]) -> Callable[..., jax.Array]:
    """Compiles a function for the local devices: each applies it to its share of the batch.

    Executables are dropped as by `bounded_jit`.

    Args:
        function: maps a tree of replicated arrays, and one of arrays that are sharded along their
            first axis, to an array that is sharded too.
    """

    specs = PartitionSpec(), PartitionSpec(_AXIS)
    # No replication to check: no sharded array becomes a replicated one.
    mapped = jax.shard_map(
        function, mesh=mesh(), in_specs=specs, out_specs=PartitionSpec(_AXIS), check_vma=False
    )
    return bounded_jit(mapped)


def of_references(features: Any, which: jax.Array) -> Any:
    """Expands features of the references, `(R, ...)` arrays, to one per pair, `(N, ...)`.

    For use within a device's share. References that are not shared are in order already.
    """

    def taken(array: jax.Array) -> jax.Array:
        return array if array.shape[0] == which.shape[0] else array[which]

    return jax.tree.map(taken, features)


def pairs_per_device(pixels: int, wanted: int | None = None) -> int:
    """How many pairs a device gets at once.

    Args:
        pixels: pixels of an image of the batch.
        wanted: the number to return. None for one on CPUs and, on accelerators, the largest power
            of two, up to 64, that fits into a part of the memory for the largest metrics.
    """
    if wanted is not None:
        return wanted
    device = mesh().devices.flat[0]
    if device.platform == "cpu":
        return 1
    memory = (device.memory_stats() or {}).get("bytes_limit", _ASSUMED_MEMORY)
    fitting = memory // _SHARE_OF_MEMORY // _BYTES_PER_PIXEL // pixels
    return 1 << (min(max(fitting, 1), _MOST_PAIRS).bit_length() - 1)


@dataclasses.dataclass(frozen=True)
class PairBatch:
    """Pairs of one class, before they are put on the devices.

    Attributes:
        kind: their class, from the metric.
        pairs: references and distorted images `(H, W, 3)`, at most as many as the batch has room
            for; either all uint8, or all float32 in [0, 1].
        per_device: number of pairs per device.
    """

    kind: BatchClass
    pairs: Sequence[Images]
    per_device: int

    @functools.cached_property
    def filled(self) -> list[Images]:
        """The pairs, filled up to the size of the batch with copies of the last one."""
        room = self.per_device * mesh().size
        return [*self.pairs, *[self.pairs[-1]] * (room - len(self.pairs))]

    @functools.cached_property
    def _slots(self) -> tuple[list[int], np.ndarray]:
        """Indices of the pairs whose references are put on the devices, and `Arrays.which`.

        Neighbouring pairs often share a reference. If no device has more than two distinct ones,
        each gets only these; otherwise, each gets one per pair. So there are only two programs.
        """
        each = self.per_device
        keys = [id(reference) for reference, _ in self.filled]
        shares = [keys[first : first + each] for first in range(0, len(keys), each)]
        slots = [list(dict.fromkeys(share)) for share in shares]
        shared = each > 2 and max(map(len, slots)) <= 2
        slots = [(slot * 2)[:2] for slot in slots] if shared else shares
        pair_of = {key: index for index, key in enumerate(keys)}
        which = [
            slot.index(key) for slot, share in zip(slots, shares, strict=True) for key in share
        ]
        return [pair_of[key] for slot in slots for key in slot], np.array(which, np.int32)

    def largest(self) -> jax.Array:
        """The value of white, by which images are divided on the device.

        It is data, because XLA replaces division by a constant with multiplication by its
        reciprocal, which rounds differently.
        """
        return replicated(np.float32(255 if self.pairs[0][0].dtype == np.uint8 else 1))

    def arrays(
        self, shape: Shape, parts: Sequence[Callable[[np.ndarray], np.ndarray]] | None = None
    ) -> Arrays:
        """The batch on the devices.

        Args:
            shape: height and width of the arrays; images are in their top left corners.
            parts: for each of the `filled` pairs, a function that cuts the part to use out of each
                of its images; None for whole images.
        """
        pairs = self.filled
        if parts is not None:
            pairs = [
                (part(first), part(second))
                for part, (first, second) in zip(parts, pairs, strict=True)
            ]
        slots, which = self._slots
        first = [pairs[index][0] for index in slots]
        second = [distorted for _, distorted in pairs]
        return Arrays(
            divided(_stacked(first, shape)),
            divided(_stacked(second, shape)),
            divided(_sizes(first)),
            divided(_sizes(second)),
            divided(which),
        )


def batchable(images: Images) -> Images:
    """A pair with one dtype, uint8 or float32, as `PairBatch` takes it."""
    reference, distorted = images
    if reference.dtype == distorted.dtype == np.uint8:
        return reference, distorted
    return as_float(reference), as_float(distorted)


def as_unit(images: jax.Array, largest: jax.Array) -> jax.Array:
    """Images of a batch as float32 in [0, 1]; see `PairBatch.largest`."""
    # The divisor is a full array: programs for several devices multiply by the reciprocal of a
    # broadcast number, fused with the operations that follow, and equal images would then differ.
    divisor = jax.lax.optimization_barrier(jnp.broadcast_to(largest, images.shape))
    return images.astype(np.float32) / divisor


def _stacked(images: Sequence[np.ndarray], shape: Shape) -> np.ndarray:
    full = all(image.shape[:2] == shape for image in images)
    stack = (np.empty if full else np.zeros)((len(images), *shape, 3), images[0].dtype)
    for corner, image in zip(stack, images, strict=True):
        corner[: image.shape[0], : image.shape[1]] = image
    return stack


def _sizes(images: Sequence[np.ndarray]) -> np.ndarray:
    return np.array([image.shape[:2] for image in images], np.int32)
