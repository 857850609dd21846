"""The training step: its forms, its parts and its types, on a tiny model."""

import json
import os
import re
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gsn_jax.errors import InputError
from gsn_jax.models import registry
from gsn_jax.training.meshes import divided, make_mesh, replicated
from gsn_jax.training.optimizers import make_optimizer
from gsn_jax.training.state import create_state
from gsn_jax.training.step import make_loss, make_train_step

SIZE = 32


def batch_of(count):
    generator = np.random.default_rng(11)
    shape = (count, SIZE, SIZE, 3)
    reference = generator.integers(0, 256, shape, dtype=np.uint8)
    noise = generator.normal(scale=np.linspace(2, 60, count)[:, None, None, None], size=shape)
    distorted = np.clip(reference + noise, 0, 255).astype(np.uint8)
    quality = np.linspace(1, 0, count, dtype=np.float32)
    return {"reference": reference, "distorted": distorted, "quality": quality}


def start(config, mesh, **options):
    """The step, its first state on the mesh."""
    model = registry.build(config.model)
    optimizer, _ = make_optimizer(config.optimizer, config.train.steps)
    decay = config.optimizer.ema
    step = make_train_step(
        model, optimizer, make_loss(config.loss), mesh, ema_decay=decay, **options
    )
    create = jax.jit(
        lambda key: create_state(model, optimizer, key, crop_size=SIZE, ema=bool(decay)),
        out_shardings=replicated(mesh),
    )
    return step, create(jax.random.key(3))


def run(config, *, steps=3, count=16, devices=1, **options):
    """The last state and metrics after some steps on one batch."""
    mesh = make_mesh(jax.devices()[:devices])
    step, state = start(config, mesh, **options)
    batch = jax.device_put(batch_of(count), divided(mesh))
    for _ in range(steps):
        state, metrics = step(state, batch)
    return jax.device_get((state, metrics))


@pytest.fixture(scope="module")
def small(pairs):
    from gsn_jax.training.config import base_config

    config = base_config()
    config.model.trunk_options = {"stem_width": 4, "widths": (4, 4, 4), "blocks": 1}
    config.model.fusion_width = 4
    config.optimizer.warmup_steps = 2
    config.optimizer.clip_norm = 1e6  # would hide a gradient of the wrong scale
    return config


@pytest.fixture(scope="module")
def plain(small):
    return run(small)


def agree(got, want, tolerance=1e-6):
    """Moments are the gradients of all steps, so their agreement is that of the gradients."""
    (state, metrics), (wanted_state, wanted_metrics) = got, want
    for name in ("loss", "gradient_norm"):
        np.testing.assert_allclose(metrics[name], wanted_metrics[name], rtol=3 * tolerance)
    first, second = (
        np.concatenate([np.ravel(x) for x in jax.tree.leaves(s.opt_state[1][0].mu)])
        for s in (state, wanted_state)
    )
    assert np.linalg.norm(first - second) <= tolerance * np.linalg.norm(second)


@pytest.mark.parametrize(
    ("form", "devices"), [("jit", 8), ("shard_map", 1), ("shard_map", 2), ("shard_map", 8)]
)
def test_both_forms_agree_on_any_number_of_devices(small, plain, form, devices):
    agree(run(small, form=form, devices=devices), plain)


@pytest.mark.parametrize(("form", "devices"), [("jit", 1), ("jit", 2), ("shard_map", 2)])
def test_accumulation_is_the_whole_batch(small, plain, form, devices):
    """The sum of micro-batches' own gradients would differ: the loss ranks within the batch."""
    agree(run(small, form=form, devices=devices, accumulate=4), plain)


def test_rematerialisation_changes_nothing(small, plain):
    config = small.copy_and_resolve_references()
    config.model.remat = True
    agree(run(config), plain)


def test_dropout_and_remat_of_the_patch_model_under_shard_map(small):
    config = small.copy_and_resolve_references()
    config.model = {"name": "wadiqam", "remat": True}
    state, metrics = run(config, steps=1, count=2, devices=2, form="shard_map")
    assert np.isfinite(metrics["loss"])
    assert state.step == 1


def test_batch_normalisation_sees_the_global_batch_in_both_forms(small):
    config = small.copy_and_resolve_references()
    config.model.norm = "batch"
    one = run(config, steps=1)
    many = run(config, steps=1, devices=4, form="shard_map")
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6),
        many[0].batch_stats,
        one[0].batch_stats,
    )
    with pytest.raises(InputError, match="accumulate needs a model without batch normalisation"):
        run(config, accumulate=2)


def test_bfloat16_keeps_float32_parameters_and_loss(small, plain):
    config = small.copy_and_resolve_references()
    config.model.dtype = "bfloat16"
    state, metrics = run(config, steps=2, count=4)
    assert metrics["loss"].dtype == np.float32
    assert np.isfinite(metrics["loss"])
    floats = [x for x in jax.tree.leaves(state) if jnp.issubdtype(x.dtype, jnp.floating)]
    assert {x.dtype for x in floats} == {np.dtype(np.float32)}
    assert (state.step, state.failed_step) == (2, -1)


def trunk_of(params):
    return {name: child for name, child in params.items() if registry.is_trunk(name)}


def test_a_frozen_trunk_stays_and_the_rest_learns(small):
    config = small.copy_and_resolve_references()
    config.optimizer.frozen_trunk_steps = -1
    _, first = start(config, make_mesh(jax.devices()[:1]))
    first = jax.device_get(first.params)
    state, _ = run(config, frozen_trunk=True)
    assert trunk_of(first).keys() == {"backbone"}
    jax.tree.map(np.testing.assert_array_equal, trunk_of(state.params), trunk_of(first))
    assert not np.array_equal(
        state.params["fusion"]["cdc"]["kernel"], first["fusion"]["cdc"]["kernel"]
    )


def test_no_gradient_is_computed_through_a_frozen_trunk(small):
    mesh = make_mesh(jax.devices()[:1])
    found = []
    for frozen in (False, True):
        step, state = start(small, mesh, frozen_trunk=frozen)
        text = step.lower(state, batch_of(2)).compile().as_text()
        found.append(re.findall(r'op_name="[^"]*transpose\(jvp[^"]*/backbone/[^"]*"', text))
    assert found[0]
    assert not found[1]


@pytest.mark.parametrize("options", [{"form": "pmap"}, {"form": "shard_map", "fsdp": 2}])
def test_forms_that_are_not_there(small, options):
    mesh = make_mesh(jax.devices()[:2], fsdp=options.pop("fsdp", 1))
    with pytest.raises(InputError, match=r"train\.step"):
        start(small, mesh, **options)


def test_a_device_needs_an_example_for_each_part(small):
    with pytest.raises(InputError, match="cannot be divided into 3 parts"):
        run(small, accumulate=3)


_COLLECTIVES = """
import json, sys
import jax
from gsn_jax.training.collectives import collectives
sys.path.insert(0, sys.argv[1])
from test_step import batch_of, start
from gsn_jax.training.config import base_config
from gsn_jax.training.meshes import make_mesh

config = base_config()
found = {}
for form in ("jit", "shard_map"):
    step, state = start(config, make_mesh(), form=form)
    text = step.lower(state, batch_of(2 * jax.device_count())).compile().as_text()
    found[form] = [(one.kind, one.shapes, one.bytes) for one in collectives(text)]
bytes_ = sum(4 * x.size for x in jax.tree.leaves(state.params))
print(json.dumps([jax.device_count(), bytes_, found]))
"""


@pytest.fixture(scope="module")
def sent_by_64():
    environment = {
        **os.environ,
        "XLA_FLAGS": "--xla_force_host_platform_device_count=64 --xla_backend_optimization_level=0",
    }
    command = [sys.executable, "-c", _COLLECTIVES, os.path.dirname(__file__)]
    result = subprocess.run(
        command, env=environment, check=True, capture_output=True, text=True, timeout=500
    )
    return json.loads(result.stdout)


@pytest.mark.parametrize("form", ["jit", "shard_map"])
def test_what_64_devices_send(sent_by_64, form):
    """Gradients once, the loss's scalars, and nothing else: no image and no feature moves."""
    devices, parameters, found = sent_by_64
    assert devices == 64
    assert {kind for kind, _, _ in found[form]} == {"all-reduce"}
    scalars = [shapes for _, shapes, _ in found[form] if all(shape == [] for shape in shapes)]
    others = [(shapes, size) for _, shapes, size in found[form] if any(shapes)]
    assert sum(map(len, scalars)) <= 16
    # `sensitivity`, a parameter, is a scalar too, and the compiler may combine it with others.
    assert parameters - 4 <= sum(size for _, size in others) <= parameters + 4 * 16
