"""The mesh of devices, and by which rule arrays lie on it.

One mesh with the axes `data` and `fsdp`. A batch is divided over both; parameters, their average
and the optimiser's moments are divided over `fsdp` where they are large, and copied elsewhere.
With `fsdp` of size 1, the default, the state is on every device.
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

# Smaller arrays cost more to gather than to keep.
LEAST_DIVIDED = 2**14


def make_mesh(devices: Sequence[jax.Device] | None = None, *, fsdp: int = 1) -> Mesh:
    """A mesh of all devices, of every process, with the axes `data` and `fsdp`.

    Neighbouring devices, which share the fastest links, are along `fsdp`.

    Args:
        devices: by default all devices of all processes, those of a process together.
        fsdp: over how many devices the parameters are divided.

    Raises:
        InputError: the devices cannot be divided into groups of `fsdp`.
    """
    devices = list(jax.devices() if devices is None else devices)
    if fsdp < 1 or len(devices) % fsdp:
        raise InputError(f"{len(devices)} devices cannot be divided into groups of {fsdp}")
    return Mesh(np.asarray(devices).reshape(-1, fsdp), AXES)


def replicated(mesh: Mesh) -> NamedSharding:
    """On every device."""
    return NamedSharding(mesh, PartitionSpec())


def divided(mesh: Mesh) -> NamedSharding:
    """Along the first axis over all devices: the batch."""
    return NamedSharding(mesh, PartitionSpec(AXES))


def state_shardings(mesh: Mesh, state: Any) -> Any:
    """How each array of a state lies on the mesh, as a tree of the state's structure.

    Args:
        mesh: see `make_mesh`.
        state: arrays or abstract arrays.
    """
    return jax.tree.map(lambda leaf: NamedSharding(mesh, _spec(leaf.shape, mesh)), state)


def _spec(shape: tuple[int, ...], mesh: Mesh) -> PartitionSpec:
    """The longest dimension that divides goes over `fsdp`, the last one among equals."""
    parts = mesh.shape["fsdp"]
    fits = [axis for axis, size in enumerate(shape) if size % parts == 0]
    if parts == 1 or math.prod(shape) < LEAST_DIVIDED or not fits:
        return PartitionSpec()
    longest = max(fits, key=lambda axis: (shape[axis], axis))
    return PartitionSpec(*[None] * longest, "fsdp")
