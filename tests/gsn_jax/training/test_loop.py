"""Whole runs of the trainer, small: what they leave, and that interruptions leave no trace."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pytest
from scipy import stats
from tensorboard_reader import read_scalars

import gsn_jax
from data_pipelines.loader import TrainLoader
from gsn_jax.errors import InputError
from gsn_jax.models import run_checkpoints as checkpoints
from gsn_jax.models.folders import read_model
from gsn_jax.training import loop
from gsn_jax.training.history import read_evaluations
from gsn_jax.training.sources import open_sources

pytestmark = pytest.mark.usefixtures("shared_programs")

PATIENCE = 500  # seconds; only so that a hang ends


def variables_of(workdir, step):
    return checkpoints.read_variables(Path(workdir) / "checkpoints" / str(step))


def assert_bitwise_equal(first, second):
    jax.tree.map(np.testing.assert_array_equal, first, second)


@pytest.fixture(scope="module")
def finished(tmp_path_factory, request):
    """An uninterrupted run, shared by the tests that only look at it."""
    return tmp_path_factory.mktemp("finished") / "run"


@pytest.fixture
def uninterrupted(finished, config):
    if not finished.exists():
        loop.train(config, finished)
    return finished


@pytest.mark.slow
def test_a_run_leaves_checkpoints_scalars_and_a_model(uninterrupted, config, capsys):
    saved = sorted(int(folder.name) for folder in (uninterrupted / "checkpoints").iterdir())
    # Every second step, and every third with an evaluation: 2, 3, 4, 6. Two newest and the best.
    assert {4, 6} <= set(saved) <= {3, 4, 6}
    metadata = checkpoints.read_metadata(uninterrupted / "checkpoints" / "6")
    assert metadata["config"]["train"]["steps"] == 6
    assert set(metadata["evaluation"]) == {"srcc", "plcc", "main_score"}
    assert json.loads((uninterrupted / "config.json").read_text())["seed"] == 0
    scalars = read_scalars(uninterrupted / "tensorboard")
    assert [step for step, _ in scalars["train/loss"]] == [2, 4, 6]
    assert [step for step, _ in scalars["evaluation/srcc"]] == [3, 6]
    evaluations = read_evaluations(uninterrupted)
    assert [row.pop("step") for row in evaluations] == [3, 6]
    assert evaluations[-1] == metadata["evaluation"]


@pytest.mark.slow
def test_the_reported_agreement_is_that_of_the_saved_model(uninterrupted, config):
    """Scored again through the public interface, pair by pair, over every held-out pair."""
    metadata = checkpoints.read_metadata(uninterrupted / "checkpoints" / "6")
    _, held_out = open_sources(config.data, config.seed)
    metric = gsn_jax.load(uninterrupted / "checkpoints" / "6")
    error = jax.jit(metric.error)
    raw = [
        float(error(*(np.float32(held_out[i][role]) / 255 for role in ROLES)))
        for i in range(len(held_out))
    ]
    want = stats.spearmanr([-value for value in raw], held_out.quality).statistic
    assert metadata["evaluation"]["srcc"] == pytest.approx(want)


ROLES = ("reference", "distorted")


@pytest.mark.slow
def test_the_model_folder_is_the_best_checkpoint(uninterrupted):
    best = checkpoints.best_step(uninterrupted / "checkpoints")
    assert_bitwise_equal(
        read_model(uninterrupted / "model").variables, variables_of(uninterrupted, best)
    )


@pytest.mark.slow
def test_the_finished_run_run_again_changes_nothing(uninterrupted, config):
    before = variables_of(uninterrupted, 6)
    result = loop.train(config, uninterrupted)
    assert result.step == 6
    assert_bitwise_equal(before, variables_of(uninterrupted, 6))


@pytest.mark.slow
def test_changed_labels_of_held_out_pairs_are_noticed(uninterrupted, config):
    table = Path(config.data.train[0])
    before = table.read_text()
    lines = before.splitlines()
    place = lines[0].split(",").index("score")
    _, held_out = open_sources(config.data, config.seed)
    for row, line in enumerate(lines):
        cells = line.split(",")
        if cells[1] == held_out.fields["distorted"][0]:
            cells[place] = f"{float(cells[place]) * 0.5:g}"
            lines[row] = ",".join(cells)
    table.write_text("\n".join(lines) + "\n")
    try:
        with pytest.raises(InputError, match="labels or images of the held-out pairs have changed"):
            loop.train(config, uninterrupted)
    finally:
        table.write_text(before)


@pytest.mark.slow
def test_a_stopped_run_continues_bit_by_bit(uninterrupted, config, tmp_path, monkeypatch):
    """SIGTERM in the middle of a step: that step is finished and saved; the rest is as ever."""
    calls = []
    real = loop.TrainingLog.advance

    def advance(self, step):
        calls.append(step)
        if calls == [1, 2, 3]:
            os.kill(os.getpid(), signal.SIGTERM)
        return real(self, step)

    monkeypatch.setattr(loop.TrainingLog, "advance", advance)
    result = loop.train(config, tmp_path / "run")
    assert (result.step, result.stopped_by) == (3, "SIGTERM")
    result = loop.train(config, tmp_path / "run")
    assert (result.step, result.stopped_by) == (6, None)
    assert calls == [1, 2, 3, 4, 5, 6]
    assert_bitwise_equal(variables_of(tmp_path / "run", 6), variables_of(uninterrupted, 6))
    assert read_evaluations(tmp_path / "run") == read_evaluations(uninterrupted)


@pytest.mark.slow
def test_a_run_that_is_shortened_afterwards_is_evaluated(config, tmp_path, monkeypatch):
    real = loop.TrainingLog.advance

    def advance(self, step):
        os.kill(os.getpid(), signal.SIGTERM)
        return real(self, step)

    with monkeypatch.context() as patched:
        patched.setattr(loop.TrainingLog, "advance", advance)
        assert loop.train(config, tmp_path / "run").step == 1
    config.train.steps = config.train.eval_every = 1
    result = loop.train(config, tmp_path / "run")
    assert result.step == 1
    assert set(result.evaluation) >= {"srcc", "plcc"}
    assert [row["step"] for row in read_evaluations(tmp_path / "run")] == [1]
    assert read_model(tmp_path / "run" / "model").calibration is not None


@pytest.mark.slow
def test_a_signal_in_the_last_evaluation_is_told_of_a_finished_run(config, tmp_path, monkeypatch):
    """Too late to stop the run, which is whole; but who starts several must hear of it."""
    config.train.steps = config.train.eval_every = 1
    monkeypatch.setattr(
        loop.TrainingLog, "report_evaluation", lambda *_: os.kill(os.getpid(), signal.SIGTERM)
    )
    result = loop.train(config, tmp_path / "run")
    assert (result.step, result.stopped_by, result.signal) == (1, None, "SIGTERM")
    assert (tmp_path / "run" / "model").is_dir()


def test_a_signal_is_told_of_a_run_that_diverges(config, tmp_path, monkeypatch):
    def diverge(*_):
        os.kill(os.getpid(), signal.SIGTERM)
        raise loop.DivergenceError("not finite")

    monkeypatch.setattr(loop, "_continue", diverge)
    with pytest.raises(loop.DivergenceError) as caught:
        loop.train(config, tmp_path / "run")
    assert caught.value.signal == "SIGTERM"


# A process that waits at step 5, where the test kills it.
WAITING = """
import json, sys, time
from ml_collections import ConfigDict
from gsn_jax.training import loop

real = loop.TrainingLog.advance

def advance(self, step):
    real(self, step)
    if step == 5:
        time.sleep(1000)

loop.TrainingLog.advance = advance
loop.train(ConfigDict(json.loads(sys.argv[1])), sys.argv[2])
"""


@pytest.mark.slow
def test_a_killed_run_continues_bit_by_bit(uninterrupted, config, tmp_path, capsys):
    """kill -9 between two checkpoints, in a process of its own."""
    workdir = tmp_path / "run"
    # The checkpoint of step 4 is complete; the process dies before it can save step 6.
    command = [sys.executable, "-c", WAITING, config.to_json(), workdir]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + PATIENCE
        while not (workdir / "checkpoints" / "4").exists():
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < deadline, "no checkpoint"
            time.sleep(0.1)
    finally:
        process.kill()
        process.communicate()
    assert not (workdir / "checkpoints" / "6").exists()
    assert loop.train(config, workdir).step == 6
    assert "continuing from the checkpoint at step 4" in capsys.readouterr().err
    assert_bitwise_equal(variables_of(workdir, 6), variables_of(uninterrupted, 6))


@pytest.mark.slow
def test_a_damaged_newest_checkpoint_falls_back_to_the_one_before(uninterrupted, config, tmp_path):
    config.train.steps, workdir = 4, tmp_path / "run"
    loop.train(config, workdir)
    for file in (workdir / "checkpoints" / "4").rglob("*"):
        if file.is_file() and file.stat().st_size > 200:
            file.write_bytes(file.read_bytes()[:100])
    with pytest.warns(UserWarning, match=r"checkpoint 4 cannot be read .* moved to .*damaged"):
        result = loop.train(config, workdir)
    assert result.step == 4
    assert (workdir / "damaged" / "4").is_dir()
    assert (workdir / "checkpoints" / "4").is_dir()


@pytest.mark.slow
def test_a_loss_that_is_not_finite_stops_and_keeps_the_last_good_state(
    uninterrupted, config, tmp_path, monkeypatch
):
    """The batch of step 3 has a label that is NaN."""
    real = TrainLoader.__next__

    def poisoned(self):
        batch = real(self)
        if self.get_state()["next_batch"] == 3:
            batch["quality"][0] = np.nan
        return batch

    config.train.checkpoint_every = config.train.eval_every = 100
    workdir = tmp_path / "run"
    monkeypatch.setattr(TrainLoader, "__next__", poisoned)
    with pytest.raises(loop.DivergenceError, match="not finite at step 3; the state after step 2"):
        loop.train(config, workdir)
    kept = variables_of(workdir, 2)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(kept))
    monkeypatch.undo()
    # The input position was kept too: with a good batch the run ends as if nothing had been.
    loop.train(config, workdir)
    assert_bitwise_equal(variables_of(workdir, 6), variables_of(uninterrupted, 6))


@pytest.mark.slow
def test_a_folder_with_another_run_is_refused(uninterrupted, config):
    config.loss.alpha = 5.0
    config.seed = 3
    with pytest.raises(InputError, match=r"different seed, loss\.alpha; choose a new --workdir"):
        loop.train(config, uninterrupted)


def test_the_batch_must_divide_over_the_devices(config, tmp_path):
    config.data.batch_size = 12
    with pytest.raises(InputError, match="12 cannot be divided among 8 devices; choose a m"):
        loop.train(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_one_reference_cannot_be_held_out(config, tmp_path):
    lines = Path(config.data.train[0]).read_text().splitlines()
    table = Path(config.data.train[0]).parent / "one.csv"
    table.write_text("\n".join(lines[:5]) + "\n")
    config.data.train = (str(table),)
    with pytest.raises(InputError, match="a single reference cannot be split"):
        loop.train(config, tmp_path / "run")


@pytest.mark.slow
def test_several_tables_without_evaluation(config, pairs, tmp_path):
    config.data.train = (str(pairs), str(pairs))
    config.data.eval_fraction = 0.0
    config.optimizer.ema = 0.0
    config.loss.name = "norm_in_norm"
    config.train.steps = 2
    result = loop.train(config, tmp_path / "run")
    assert result.evaluation == {}
    assert read_model(tmp_path / "run" / "model").variables["params"]
