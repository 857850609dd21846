"""The mesh of devices and the sharding of arrays on it.

The mesh has the axes `data` and `fsdp`. A batch is divided over both. Large parameters, their
average and the optimiser's moments are divided over `fsdp`; small ones are replicated. With `fsdp`
of size 1, the default, the whole state is replicated.
"""

from __future__ import annotations

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
    """A mesh of all devices of all processes, with the axes `data` and `fsdp`.

    Neighbouring devices, which share the fastest links, lie along `fsdp`.

    Args:
        devices: by default all devices, those of each process together.
        fsdp: number of devices over which parameters are divided.

    Raises:
        InputError: the devices cannot be divided into groups of `fsdp`.
    """
    devices = list(jax.devices() if devices is None else devices)
    if fsdp < 1 or len(devices) % fsdp:
        raise InputError(f"{len(devices)} devices cannot be divided into groups of {fsdp}")
    return Mesh(np.asarray(devices).reshape(-1, fsdp), AXES)


def replicated(mesh: Mesh) -> NamedSharding:
    """The sharding of an array that every device has."""
    return NamedSharding(mesh, PartitionSpec())


def divided(mesh: Mesh) -> NamedSharding:
    """The sharding of a batch: its first axis is divided over all devices."""
    return NamedSharding(mesh, PartitionSpec(AXES))


def state_shardings(mesh: Mesh, state: Any) -> Any:
    """The sharding of each array of a state, as a tree of the same structure.

    Args:
        mesh: see `make_mesh`.
        state: arrays or abstract arrays.
    """
    return jax.tree.map(lambda leaf: NamedSharding(mesh, _spec(leaf.shape, mesh)), state)


def _spec(shape: tuple[int, ...], mesh: Mesh) -> PartitionSpec:
    """Divides the longest dimension that `fsdp` divides; the last one among equals."""
    parts = mesh.shape["fsdp"]
    fits = [axis for axis, size in enumerate(shape) if size % parts == 0]
    if parts == 1 or math.prod(shape) < LEAST_DIVIDED or not fits:
        return PartitionSpec()
    longest = max(fits, key=lambda axis: (shape[axis], axis))
    return PartitionSpec(*[None] * longest, "fsdp")
