import jax
import numpy as np
import pytest
from jax.sharding import PartitionSpec

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
