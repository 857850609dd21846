import dataclasses
import types

import jax
import numpy as np
import pytest

from gsn_jax import metrics
from gsn_jax.models.folders import write_model
from gsn_jax.scoring import model_metric
from gsn_jax.scoring.provenance import training_data, version_of


@pytest.mark.slow
def test_a_model_is_told_from_another_of_equal_version(model_folder, small_model, tmp_path):
    first = model_metric.load(model_folder)
    assert version_of(first) == version_of(model_metric.load(model_folder))
    assert version_of(first).startswith("1.2.3 ")
    changed = jax.tree.map(lambda leaf: leaf + np.float32(1e-3), small_model.variables)
    write_model(tmp_path / "other", dataclasses.replace(small_model, variables=changed))
    assert version_of(model_metric.load(tmp_path / "other")) != version_of(first)
    assert version_of(metrics.get("psnr")) == ""


@pytest.mark.parametrize(
    ("named", "want"),
    [
        ([["a.csv", 0, 7], "b.csv", "b.csv"], ("a.csv", "b.csv")),
        ("tid2013:train", ("tid2013:train",)),
    ],
)
def test_training_data_of_a_model(named, want):
    trained = types.SimpleNamespace(training={"config": {"data": {"train": named}}})
    assert training_data(trained) == want
    assert training_data(metrics.get("psnr")) == ()
