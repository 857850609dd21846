"""Stored features of a frozen backbone: they are the model's, whoever computed them."""

import os
import shutil
import signal

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ml_collections import ConfigDict
from PIL import Image
from test_loop import assert_bitwise_equal, variables_of

from gsn_jax.errors import InputError
from gsn_jax.images import as_float
from gsn_jax.models import registry
from gsn_jax.models.frozen_feature_model import FrozenFeatureModel
from gsn_jax.training import loop, stored_crops
from gsn_jax.training.sources import open_sources
from gsn_jax.training.stored_crops import StoredCrops, plan

pytestmark = pytest.mark.usefixtures("shared_programs")


@pytest.fixture
def config(config):
    config.model.name, config.model.attention = "frozen", (3,)
    config.data.stored_crops = 2
    return config


@pytest.fixture
def model(config):
    return registry.build(config.model)


@pytest.fixture
def variables(model):
    images = np.zeros((1, 32, 32, 3), np.float32)
    return jax.jit(model.init)(jax.random.key(0), images, images)


@pytest.fixture
def source(config):
    return open_sources(config.data, config.seed)[0]


def describing(model, calls):
    """`model` as a function that notes how many images pass the backbone."""

    class Counting(FrozenFeatureModel):
        def encode(self, images, *rest, **options):
            jax.debug.callback(lambda: calls.append(len(images)))
            return super().encode(images, *rest, **options)

    return Counting(**{name: getattr(model, name) for name in model.__dataclass_fields__
                       if name not in ("parent", "name")})  # fmt: skip


def test_stored_is_what_the_model_says(model, variables, source, config, tmp_path):
    crops = StoredCrops(model, source, config.data, tmp_path, seed=0)
    assert crops.compute(variables)
    apply = jax.jit(model.apply, static_argnames="method")
    for index in (0, len(crops) - 1):
        _, _, reference, distorted = crops._load(source_pairs(source), index)
        want = apply(
            variables, as_float(reference[None]), as_float(distorted[None]), method=_features
        )
        got = crops[index]
        for name, part in zip(("cells", "whole"), want, strict=True):
            np.testing.assert_allclose(got[name], part[0], rtol=1e-3, atol=1e-4)
        assert got["quality"] == source.quality[index]
        stored = (np.float32(got[name][None]) for name in ("cells", "whole"))
        score = apply(variables, *stored, method="score_features")
        whole = apply(variables, as_float(reference[None]), as_float(distorted[None]))
        np.testing.assert_allclose(score, whole, atol=1e-3)


def source_pairs(source):
    return [(i, source[i]["reference"], source[i]["distorted"]) for i in range(len(source))]


def _features(model, reference, distorted):
    return model.features(model.encode(reference), model.encode(distorted))


def test_references_of_one_name_in_two_tables_are_not_confused(
    model, variables, config, pairs, tmp_path
):
    """The second table names other images like the first."""
    folder = tmp_path / "other"
    shutil.copytree(pairs.parent, folder)
    for file in folder.rglob("*.png"):
        Image.open(file).rotate(180).save(file)
    config.data.train, config.data.eval_fraction = (str(pairs), str(folder / pairs.name)), 0.0
    source, _ = open_sources(config.data, config.seed)
    crops = StoredCrops(model, source, config.data, tmp_path / "store", seed=0)
    assert crops.compute(variables)
    alone, _ = open_sources(ConfigDict({**config.data, "train": config.data.train[1:]}), 0)
    expected = StoredCrops(model, alone, config.data, tmp_path / "expected", seed=0)
    assert expected.compute(variables)
    for index in range(len(expected)):
        for name in ("cells", "whole"):
            got = crops[len(expected) + index][name]
            np.testing.assert_array_equal(got, expected[index][name])


def test_what_is_there_is_not_computed_again(model, variables, source, config, tmp_path):
    calls = []
    counting = describing(model, calls)
    StoredCrops(counting, source, config.data, tmp_path, seed=0).compute(variables)
    jax.effects_barrier()
    first = len(calls)
    assert first
    again = StoredCrops(counting, source, config.data, tmp_path, seed=0)
    assert again.compute(variables)
    jax.effects_barrier()
    assert len(calls) == first
    other = jax.tree.map(lambda leaf: leaf + 0.1, variables)
    assert again.compute(other)  # another backbone
    jax.effects_barrier()
    assert len(calls) == 2 * first


def test_stopped_and_continued(model, variables, source, config, tmp_path):
    crops = StoredCrops(model, source, config.data, tmp_path, seed=0)
    asked = iter([False, True])
    assert not crops.compute(variables, stop=lambda: next(asked))
    before = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*.npy")}
    assert 0 < len(before) < len(crops)
    counts = []
    assert crops.compute(variables, report=counts.append)
    assert counts[-1] == len(crops)
    assert all(file.stat().st_mtime_ns == time for file, time in before.items())
    assert not list(tmp_path.rglob(".*"))


def test_a_pair_that_occurs_several_times_has_several_crops(config, pairs):
    config.data.train = (str(pairs),) * 3
    config.data.eval_fraction = 0.0
    source, _ = open_sources(config.data, config.seed)
    numbers = [crop.number for crop in plan(source, 2)]
    third = len(source) // 3
    assert numbers == [0] * third + [1] * third + [0] * third


@pytest.mark.slow
def test_a_resumed_run_ends_as_an_uninterrupted_one(config, tmp_path, monkeypatch):
    loop.train(config, tmp_path / "whole")
    config.data.store = str(tmp_path / "store")
    real = loop.TrainingLog.advance

    def advance(self, step):
        if step == 4:
            os.kill(os.getpid(), signal.SIGTERM)
        return real(self, step)

    with monkeypatch.context() as patched:
        patched.setattr(loop.TrainingLog, "advance", advance)
        assert loop.train(config, tmp_path / "parts").step == 4
    assert loop.train(config, tmp_path / "parts").step == 6
    whole, parts = (variables_of(tmp_path / name, 6) for name in ("whole", "parts"))
    assert_bitwise_equal(whole, parts)


@pytest.mark.slow
def test_the_backbone_stays_and_the_head_learns(config, tmp_path):
    loop.train(config, tmp_path)
    before, after = (variables_of(tmp_path, step)["params"] for step in (4, 6))
    assert_bitwise_equal(before["backbone"], after["backbone"])
    assert (before["levels_0"]["mix"]["kernel"] != after["levels_0"]["mix"]["kernel"]).any()


def test_it_needs_a_frozen_backbone(config, tmp_path):
    config.model.name = "gsn"
    with pytest.raises(InputError, match="needs a frozen backbone"):
        loop.train(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_an_image_smaller_than_the_crop_is_named(config, tmp_path):
    config.data.crop_size = 64
    with pytest.raises(InputError, match=r"r\d_\d.png: 36 x 32 is smaller than the crop of 64"):
        loop.train(config, tmp_path / "run")


def test_a_folder_that_cannot_be_written(config, tmp_path):
    (tmp_path / "store").write_text("a file")
    config.data.store = str(tmp_path / "store")
    with pytest.raises(InputError, match="cannot be written"):
        loop.train(config, tmp_path / "run")


def test_the_fingerprint_knows_what_the_features_depend_on(model, variables, monkeypatch):
    first = stored_crops._fingerprint(model, variables)
    changed = jax.tree.map(lambda leaf: leaf + 1, variables)
    assert stored_crops._fingerprint(model, changed) != first
    narrow = model.clone(backbone=model.backbone.clone(dtype=jnp.bfloat16))
    assert stored_crops._fingerprint(narrow, variables) != first
    head = {"params": {**variables["params"], "sensitivity": 7.0}}
    assert stored_crops._fingerprint(model, head) == first
    monkeypatch.setattr(stored_crops, "VERSION", 0)
    assert stored_crops._fingerprint(model, variables) != first
