import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental import mesh_utils
from jax.sharding import NamedSharding, PartitionSpec

from gsn_jax.errors import InputError
from gsn_jax.training import meshes


def shape(*sizes):
    return jax.ShapeDtypeStruct(sizes, np.float32)


def test_every_device_is_in_the_mesh_once():
    mesh = meshes.make_mesh(fsdp=2)
    assert dict(mesh.shape) == {"data": 4, "fsdp": 2}
    assert list(mesh.devices.flat) == jax.devices()
    assert dict(meshes.make_mesh(jax.devices()[:3]).shape) == {"data": 3, "fsdp": 1}


@pytest.mark.parametrize("fsdp", [0, 3, 16])
def test_devices_must_form_whole_groups(fsdp):
    with pytest.raises(InputError, match=f"8 devices cannot be divided into groups of {fsdp}"):
        meshes.make_mesh(fsdp=fsdp)


def test_a_batch_is_divided_over_all_devices():
    batch = jax.device_put(np.arange(16.0), meshes.divided(meshes.make_mesh(fsdp=2)))
    assert [shard.data.tolist() for shard in batch.addressable_shards] == [
        [2.0 * i, 2.0 * i + 1] for i in range(8)
    ]


@pytest.mark.parametrize(
    ("leaf", "want"),
    [
        (shape(3, 3, 64, 128), PartitionSpec(None, None, None, "fsdp")),
        (shape(3, 3, 128, 64), PartitionSpec(None, None, "fsdp")),
        (shape(128, 128), PartitionSpec(None, "fsdp")),
        (shape(129, 130, 1), PartitionSpec()),
        (shape(128, 127), PartitionSpec()),  # 16256 elements are few
        (shape(), PartitionSpec()),
    ],
)
def test_large_arrays_are_divided_along_their_longest_dimension(leaf, want):
    mesh = meshes.make_mesh(fsdp=4)
    assert meshes.state_shardings(mesh, {"leaf": leaf})["leaf"].spec == want
    whole = meshes.state_shardings(meshes.make_mesh(), leaf)
    assert whole.spec == PartitionSpec()


class Chip:
    """What `create_hybrid_device_mesh` asks of a device."""

    platform, device_kind = "gpu", "fake"

    def __init__(self, device):
        self.id, self.slice_index = device.id, int(device.id in ODD)
        self.process_index = 0


ODD = (1, 2, 5, 6)  # ids of the second slice


@pytest.fixture
def two_slices(monkeypatch):
    monkeypatch.setattr(meshes, "slice_of", lambda device: int(device.id in ODD))


@pytest.mark.parametrize("fsdp", [1, 2, 4])
def test_slices_lie_along_the_data_axis(two_slices, fsdp):
    mesh = meshes.make_mesh(fsdp=fsdp)
    want = mesh_utils.create_hybrid_device_mesh(
        (4 // fsdp, fsdp), (2, 1), [Chip(device) for device in jax.devices()]
    )
    assert [device.id for device in mesh.devices.flat] == [chip.id for chip in want.flat]
    for group in mesh.devices:
        assert len({device.id in ODD for device in group}) == 1


def test_parameters_are_gathered_within_a_slice_only(two_slices):
    """Reduced over all devices, gathered over the neighbours of a slice."""
    mesh = meshes.make_mesh(fsdp=2)
    weights = NamedSharding(mesh, PartitionSpec(None, "fsdp"))

    def slope(weights, batch):
        return jax.grad(lambda weights: jnp.sum((batch @ weights @ weights.T) ** 2))(weights)

    step = jax.jit(slope, in_shardings=(weights, meshes.divided(mesh)), out_shardings=weights)
    text = step.lower(shape(64, 64), shape(16, 64)).compile().as_text()
    (gathered,) = set(re.findall(r"all-gather\(.*replica_groups=(\S+),", text))
    # Positions in the mesh, whose neighbours are of one slice.
    assert gathered.startswith(("[4,2]<=[8]", "{{0,1},{2,3},{4,5},{6,7}}"))


def test_slices_must_be_equal_and_hold_whole_groups(two_slices):
    with pytest.raises(InputError, match="4 devices in each of 2 slices cannot be divided into gr"):
        meshes.make_mesh(fsdp=8)
    with pytest.raises(InputError, match="slices of 3, 4 devices; use slices of equal size"):
        meshes.make_mesh(jax.devices()[:7])
