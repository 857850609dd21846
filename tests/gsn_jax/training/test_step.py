"""The training step: its parts and its types, on a tiny model."""

import json
import os
import re
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from virtual_devices import xla_flags

from gsn_jax.backbones import kernel_gradients
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
    backbone = "frozen" if registry.is_frozen(model) else "new"
    optimizer, _ = make_optimizer(config.optimizer, config.train.steps, backbone=backbone)
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
    config.model.backbone_options = {"stem_width": 4, "widths": (4, 4), "blocks": 1}
    config.model.attention = (5, 3)
    config.model.fusion_width = 4
    config.optimizer.warmup_steps = 2
    return config


@pytest.fixture(scope="module")
def plain(small):
    return run(small)


def agree(got, want, tolerance=1e-5):
    """Moments are the gradients of all steps, so their agreement is that of the gradients.

    The global branch takes variances as differences of means, which here are ten times as large, so
    that the rounding of float32 counts tenfold.
    """
    (state, metrics), (wanted_state, wanted_metrics) = got, want
    for name in ("loss", "gradient_norm"):
        np.testing.assert_allclose(metrics[name], wanted_metrics[name], rtol=3 * tolerance)
    first, second = (
        np.concatenate([np.ravel(x) for x in jax.tree.leaves(s.opt_state[1][0].mu)])
        for s in (state, wanted_state)
    )
    assert np.linalg.norm(first - second) <= tolerance * np.linalg.norm(second)


@pytest.mark.slow
@pytest.mark.parametrize("devices", [2, 8])
def test_any_number_of_devices_agrees(small, plain, devices):
    agree(run(small, devices=devices), plain)


@pytest.mark.slow
@pytest.mark.parametrize("devices", [1, 2])
def test_accumulation_is_the_whole_batch(small, plain, devices):
    """The sum of micro-batches' own gradients would differ: the loss ranks within the batch."""
    agree(run(small, devices=devices, accumulate=4), plain)


@pytest.mark.slow
def test_rematerialisation_changes_nothing(small, plain):
    config = small.copy_and_resolve_references()
    config.model.remat = True
    agree(run(config), plain)


@pytest.mark.slow
def test_dropout_and_remat_of_the_patch_model_on_two_devices(small):
    config = small.copy_and_resolve_references()
    config.model = {"name": "wadiqam", "remat": True}
    state, metrics = run(config, steps=1, count=2, devices=2)
    assert np.isfinite(metrics["loss"])
    assert state.step == 1


@pytest.mark.slow
def test_on_one_device_kernel_gradients_are_matrix_products(small, monkeypatch):
    """XLA's own gradient of a kernel is several times slower on a CPU."""
    calls = []
    real = kernel_gradients.convolve
    monkeypatch.setattr(kernel_gradients, "convolve", lambda *x: calls.append(1) or real(*x))
    for devices, expected in ((1, True), (2, False)):
        calls.clear()
        step, state = start(small, make_mesh(jax.devices()[:devices]))
        step.lower(state, batch_of(2))
        assert bool(calls) == expected


@pytest.mark.slow
def test_bfloat16_keeps_float32_parameters_and_loss(small, plain):
    config = small.copy_and_resolve_references()
    config.model.dtype = "bfloat16"
    state, metrics = run(config, steps=2, count=4)
    assert metrics["loss"].dtype == np.float32
    assert np.isfinite(metrics["loss"])
    floats = [x for x in jax.tree.leaves(state) if jnp.issubdtype(x.dtype, jnp.floating)]
    assert {x.dtype for x in floats} == {np.dtype(np.float32)}
    assert (state.step, state.failed_step) == (2, -1)


@pytest.fixture(scope="module")
def frozen(small):
    config = small.copy_and_resolve_references()
    config.model.name, config.model.attention = "frozen", (3,)
    return config


def test_a_frozen_backbone_stays_and_the_rest_learns(frozen):
    _, first = start(frozen, make_mesh(jax.devices()[:1]))
    first = jax.device_get(first.params)
    state, _ = run(frozen)
    jax.tree.map(np.testing.assert_array_equal, state.params["backbone"], first["backbone"])
    assert not np.array_equal(state.params["fusion"]["kernel"], first["fusion"]["kernel"])


@pytest.mark.slow
def test_no_gradient_is_computed_through_a_frozen_backbone(small, frozen):
    mesh = make_mesh(jax.devices()[:1])
    found = []
    for config in (small, frozen):
        step, state = start(config, mesh)
        text = step.lower(state, batch_of(2)).compile().as_text()
        found.append(re.findall(r'op_name="[^"]*transpose\(jvp[^"]*/backbone/[^"]*"', text))
    assert found[0]
    assert not found[1]


def test_a_device_needs_an_example_for_each_part(small):
    with pytest.raises(InputError, match="cannot be divided into 3 micro-batches"):
        run(small, accumulate=3)


_COLLECTIVES = """
import json, sys
import jax
from gsn_jax.training.collectives import collectives
from ml_collections import ConfigDict
sys.path.insert(0, sys.argv[1])
from test_step import batch_of, start
from gsn_jax.training.meshes import make_mesh

config = ConfigDict(json.loads(sys.argv[2]))
step, state = start(config, make_mesh())
text = step.lower(state, batch_of(2 * jax.device_count())).compile().as_text()
found = [(one.kind, one.shapes, one.bytes) for one in collectives(text)]
bytes_ = sum(4 * x.size for x in jax.tree.leaves(state.params))
print(json.dumps([jax.device_count(), bytes_, found]))
"""


@pytest.fixture(scope="module")
def sent_by_64(small):
    environment = {**os.environ, "XLA_FLAGS": xla_flags(64)}
    command = [sys.executable, "-c", _COLLECTIVES, os.path.dirname(__file__), small.to_json()]
    result = subprocess.run(
        command, env=environment, check=True, capture_output=True, text=True, timeout=500
    )
    return json.loads(result.stdout)


@pytest.mark.slow
def test_what_64_devices_send(sent_by_64):
    """Gradients once, the loss's scalars, and nothing else: no image and no feature moves."""
    devices, parameters, found = sent_by_64
    assert devices == 64
    assert {kind for kind, _, _ in found} == {"all-reduce"}
    scalars = [shapes for _, shapes, _ in found if all(shape == [] for shape in shapes)]
    others = [(shapes, size) for _, shapes, size in found if any(shapes)]
    assert sum(map(len, scalars)) <= 16
    # `sensitivity`, a parameter, is a scalar too, and the compiler may combine it with others.
    assert parameters - 4 <= sum(size for _, size in others) <= parameters + 4 * 16
