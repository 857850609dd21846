"""The plan of a step, beside what the state and the batch of a real run take."""

import jax
import numpy as np
import pytest
from command_line import run

from gsn_jax.errors import InputError
from gsn_jax.training import plan
from gsn_jax.training.meshes import divided, make_mesh
from gsn_jax.training.profiling import flops_per_pair
from gsn_jax.training.program import make_program


@pytest.mark.slow
def test_the_plan_of_a_step_on_four_devices(config):
    config.train.fsdp = 2
    target = plan.find_target("cpu:4")
    found = plan.make_plan(config, target)
    program = make_program(config, make_mesh(target.devices, fsdp=2))
    state = program.create()
    images = np.zeros((8, 32, 32, 3), np.uint8)
    batch = {"reference": images, "distorted": images, "quality": np.zeros(8, np.float32)}
    arrays = jax.tree.leaves((state, jax.device_put(batch, divided(program.mesh))))
    first = target.devices[0]
    there = [
        shard.data.nbytes for x in arrays for shard in x.addressable_shards if shard.device == first
    ]
    assert found.state + found.batch == sum(there)
    assert found.parameters == sum(x.size for x in jax.tree.leaves(state.params))
    gradients = 4 * found.parameters
    reduced = sum(one.bytes for one in found.sent if one.kind == "all-reduce")
    assert gradients <= reduced <= 1.01 * gradients + 64
    assert found.temporaries > 0
    assert found.memory > found.step_memory > found.state
    assert found.model_flops == 8 * flops_per_pair(program.model, 32)
    # The compiled program computes what the definition counts, and little besides.
    assert 0.5 * found.model_flops < 4 * found.flops < 2 * found.model_flops


@pytest.mark.slow
def test_the_command_prints_it_and_reads_no_data(config, tmp_path):
    config.data.train = ("absent.csv",)
    file = tmp_path / "small.py"
    file.write_text(
        "import json\nfrom ml_collections import ConfigDict\n"
        f"def get_config():\n    return ConfigDict(json.loads({config.to_json()!r}))\n"
    )
    arguments = "--config", file
    out, err, code = run("train", *arguments, "--plan", "--topology", "cpu:2")
    assert (err, code) == ("", 0)
    lines = out.splitlines()
    assert lines[0] == "compiled for 2 virtual CPU devices"
    assert [line.partition(":")[0] for line in lines[1:]] == [
        "parameters",
        "memory per device",
        "collectives per step",
        "arithmetic per step",
    ]
    assert "all-reduce (" in lines[3]
    _, err, code = run("train", *arguments, "--topology", "cpu:2")
    assert (err, code) == ("gsn: --topology needs --plan; give both\n", 2)
    _, err, code = run("train", *arguments)
    assert (err, code) == ("gsn: give --workdir DIR, the folder of the run\n", 2)


def test_absent_devices_that_this_jax_does_not_know(monkeypatch):
    def fail(topology):
        raise RuntimeError("JAX TPU support not installed; cannot generate TPU topology. See")

    monkeypatch.setattr(plan, "_absent_tpus", fail)
    target = plan.find_target("v5e:2x2")
    assert len(target.devices) == 4
    assert (
        "4 virtual CPU devices in place of v5e:2x2, which this JAX cannot compile for (JAX TPU"
        in (target.what)
    )


@pytest.mark.slow
def test_absent_devices_that_it_knows(config):
    """Where libtpu is installed."""
    pytest.importorskip("libtpu")
    config.data.batch_size = 16
    target = plan.find_target("v5e:4x4")
    assert "TPU v5 lite (v5e:4x4), which need not be present" in target.what
    lines = list(plan.describe(plan.make_plan(config, target)))
    assert "all-reduce (" in lines[3]
    assert "ms, at the devices' peak rate in bfloat16" in lines[-1]


@pytest.mark.parametrize("topology", ["v5e", "4x4", "v5e:0x4", "v5e:4x", "V5E:4x4"])
def test_other_forms_are_refused(topology):
    with pytest.raises(InputError, match=r"give KIND:SHAPE, such as v5e:4x4 or cpu:8$"):
        plan.find_target(topology)


def test_one_device_is_said_in_the_singular():
    assert plan.find_target("cpu:1").what == "1 virtual CPU device"


def test_too_few_virtual_devices():
    with pytest.raises(InputError, match="8 virtual devices, but 16 are needed; set XLA_FLAGS="):
        plan.find_target("cpu:16")
