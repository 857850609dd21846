import dataclasses
import types

import jax
import numpy as np
import pytest

from gsn_jax import metrics
from gsn_jax.errors import InputError
from gsn_jax.models.folders import write_model
from gsn_jax.scoring import model_metric
from gsn_jax.scoring.metric_choice import choose, training_data, version_of


def test_names_keep_their_order_and_count_once():
    chosen, passed_over = choose("ssim, psnr,ssim")
    assert [metric.name for metric in chosen] == ["ssim", "psnr"]
    assert passed_over == {}


def test_all_passes_over_what_has_no_weights(monkeypatch):
    monkeypatch.delenv("GSN_PIEAPP_WEIGHTS", raising=False)
    monkeypatch.setattr(metrics, "names", lambda: ("psnr", "pieapp"))
    monkeypatch.setattr(model_metric, "shipped", lambda: ())
    chosen, passed_over = choose("all")
    assert [metric.name for metric in chosen] == ["psnr"]
    assert "GSN_PIEAPP_WEIGHTS" in passed_over["pieapp"]
    with pytest.raises(InputError, match="GSN_PIEAPP_WEIGHTS"):
        choose("psnr,pieapp")
    with pytest.raises(InputError, match="GSN_PIEAPP_WEIGHTS"):
        choose("pieapp,all")


@pytest.mark.parametrize(
    ("names", "checkpoint", "message"),
    [
        (" ,", None, "--metric names no metric"),
        ("psnrr", None, "unknown metric 'psnrr'"),
        ("psnr", "somewhere", "--checkpoint is a model for gsn"),
    ],
)
def test_what_cannot_be_chosen_is_refused(names, checkpoint, message):
    with pytest.raises(InputError, match=message):
        choose(names, checkpoint)


def test_a_folder_takes_the_place_of_gsn(model_folder):
    (metric,), _ = choose("gsn", str(model_folder))
    assert metric.version == "1.2.3"


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
