"""The mesh of devices and the sharding of arrays on it.

The mesh has the axes `data` and `fsdp`. A batch is sharded over both. Large parameters, their
moving average and the optimiser's moments are sharded over `fsdp`; small ones are replicated. With
`fsdp` of size 1, the default, the whole state is replicated.

The network between TPU slices is far slower than the links within one. Only gradients are exchanged
along `data`, so slices lie along `data` and `fsdp` stays within a slice.
"""

from __future__ import annotations

import collections
import math
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from gsn_jax.errors import InputError

AXES = ("data", "fsdp")

# Smaller arrays are replicated: gathering them would cost more than it saves.
LEAST_DIVIDED = 2**14


def make_mesh(devices: Sequence[jax.Device] | None = None, *, fsdp: int = 1) -> Mesh:
    """A mesh of devices with the axes `data` and `fsdp`.

    Neighbouring devices, which share the fastest links, lie along `fsdp`; slices lie along `data`,
    as in `jax.experimental.mesh_utils.create_hybrid_device_mesh`. Unlike there, the devices of a
    process stay together, because it loads one part of a batch.

    Args:
        devices: grouped by process; by default all devices of all processes.
        fsdp: number of devices over which parameters are sharded.

    Raises:
        InputError: the devices of a slice cannot be divided into groups of `fsdp`, or slices differ
            in size.
    """
    devices = sorted(jax.devices() if devices is None else devices, key=slice_of)
    sizes = collections.Counter(map(slice_of, devices)).values()
    if len(set(sizes)) > 1:
        raise InputError(
            f"slices of {', '.join(map(str, sizes))} devices; use slices of equal size"
        )
    whole = len(devices) // len(sizes)
    if fsdp < 1 or whole % fsdp:
        of = f" in each of {len(sizes)} slices" if len(sizes) > 1 else ""
        raise InputError(
            f"train.fsdp: {whole} devices{of} cannot be divided into groups of {fsdp}; "
            f"choose a divisor of {whole}"
        )
    return Mesh(np.asarray(devices).reshape(-1, fsdp), AXES)


def slice_of(device: jax.Device) -> int:
    """Index of a TPU's slice, whose devices share fast links; 0 for other devices."""
    return (getattr(device, "slice_index", 0) or 0) if device.platform == "tpu" else 0


def replicated(mesh: Mesh) -> NamedSharding:
    """The sharding of an array that is copied to every device."""
    return NamedSharding(mesh, PartitionSpec())


def divided(mesh: Mesh) -> NamedSharding:
    """The sharding of a batch: its first axis is split over all devices."""
    return NamedSharding(mesh, PartitionSpec(AXES))


def state_shardings(mesh: Mesh, state: Any) -> Any:
    """The sharding of each array of a state, as a tree of the same structure.

    Args:
        mesh: see `make_mesh`.
        state: arrays or abstract arrays.
    """
    return jax.tree.map(lambda leaf: NamedSharding(mesh, _spec(leaf.shape, mesh)), state)


def _spec(shape: tuple[int, ...], mesh: Mesh) -> PartitionSpec:
    """Shards the longest dimension that is a multiple of `fsdp`; of equal ones, the last."""
    parts = mesh.shape["fsdp"]
    fits = [axis for axis, size in enumerate(shape) if size % parts == 0]
    if parts == 1 or math.prod(shape) < LEAST_DIVIDED or not fits:
        return PartitionSpec()
    longest = max(fits, key=lambda axis: (shape[axis], axis))
    return PartitionSpec(*[None] * longest, "fsdp")
