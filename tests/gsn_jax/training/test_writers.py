"""Scalars are read back from where each writer leaves them, without network."""

from pathlib import Path

import pytest
from command_line import run
from tensorboard_reader import read_scalars

from gsn_jax.errors import InputError
from gsn_jax.training import writers

CONFIG = {"seed": 0, "model": {"name": "gsn"}}


def write_twice(name, workdir):
    """A run and its continuation, which repeats step 4."""
    for first, steps in ((0, {2: 0.5, 4: 0.25}), (2, {4: 0.25, 6: 0.125})):
        (writer,) = writers.open_writers([name], workdir, first, CONFIG)
        for step, loss in steps.items():
            writer.write({"train/loss": loss, "seconds/step": 1.0}, step)
        writer.close()


def test_tensorboard(tmp_path):
    write_twice("tensorboard", tmp_path)
    found = read_scalars(tmp_path / "tensorboard")
    assert dict(found["train/loss"]) == {2: 0.5, 4: 0.25, 6: 0.125}
    assert len(found["seconds/step"]) == 4


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The filesystem tracking backend:FutureWarning")
def test_mlflow(tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "mlruns").as_uri())
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    (tmp_path / "it's a run").mkdir()
    write_twice("mlflow", tmp_path / "it's a run")
    client = mlflow.MlflowClient()
    experiment = client.get_experiment_by_name(writers.PROJECT).experiment_id
    (run,) = client.search_runs([experiment])
    assert run.info.run_name == "it's a run"
    assert run.info.status == "FINISHED"
    assert run.data.params["model"] == "{'name': 'gsn'}"
    history = client.get_metric_history(run.info.run_id, "train/loss")
    assert {one.step: one.value for one in history} == {2: 0.5, 4: 0.25, 6: 0.125}


@pytest.mark.slow
def test_weights_and_biases_offline(tmp_path, monkeypatch):
    wandb = pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    (writer,) = writers.open_writers(["wandb"], tmp_path, 0, CONFIG)
    writer.write({"train/loss": 0.625}, 2)
    writer.close()
    wandb.teardown()  # waits for wandb's service, which may still be writing after `finish`
    (record,) = tmp_path.glob("wandb/offline-run-*/run-*.wandb")
    content = record.read_bytes()  # protocol buffers, whose strings are plain
    assert b"train/loss" in content
    assert b"0.625" in content


def test_a_run_is_known_by_its_folder_wherever_that_is(tmp_path, monkeypatch):
    for parent in ("here", "there"):
        (tmp_path / parent / "runs").mkdir(parents=True)
    found = []
    for parent in ("here", "there", "here"):
        monkeypatch.chdir(tmp_path / parent)
        found.append(writers._identity(Path("runs")))
    assert found[0] == found[2] != found[1]
    (tmp_path / "here" / "runs").rename(tmp_path / "moved")
    assert writers._identity(tmp_path / "moved") == found[0]


def test_names_are_checked_before_anything_is_done(tmp_path):
    writers.check_names(["mlflow", *writers.DEFAULT])
    arguments = ["--config", "default", "--config.data.train=x.csv", "--workdir", tmp_path / "x"]
    _, err, code = run("train", *arguments, "--writers", "tensorboard,tensorbord")
    assert code == 2
    assert "--writers: unknown 'tensorbord'; known: tensorboard, wandb, mlflow" in err


def test_a_missing_package_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "wandb", None)
    with pytest.raises(InputError, match=r"wandb needs another package: pip install 'gsn_jax\["):
        writers.open_writers(["wandb"], tmp_path, 0, CONFIG)
