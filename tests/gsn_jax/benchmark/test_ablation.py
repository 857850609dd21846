"""The ablation on tiny data: what the arms share, what their tables and figure say, resuming."""

import csv
import math
import os
import shutil
import signal
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from click.testing import CliRunner
from small_pairs import write_pairs

from gsn_jax import cli
from gsn_jax.benchmark.ablation import loss_figure, runs, table
from gsn_jax.benchmark.ablation.arms import ARM_VALUES, ARMS
from gsn_jax.errors import InputError
from gsn_jax.training import loop
from gsn_jax.training.config import load_config
from gsn_jax.training.sources import open_sources

pytestmark = pytest.mark.usefixtures("shared_programs")

TINY = (
    "--config.model.backbone_options.stem_width=4",
    "--config.model.backbone_options.widths=(4,)",
    "--config.model.attention=(3,)",
    "--config.model.fusion_width=4",
    "--config.data.batch_size=8",
    "--config.data.crop_size=32",
    "--config.data.eval_fraction=0.5",
    "--config.train.steps=4",
    "--config.train.eval_every=2",
    "--config.train.checkpoint_every=2",
)


def run(out, pairs, *arguments):
    data = f"--config.data.train={pairs}"
    return CliRunner().invoke(
        cli.cli,
        ["ablation", "--out", str(out), "--seeds=0,1", *arguments, data, *TINY],
        catch_exceptions=False,
    )


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    return write_pairs(tmp_path_factory.mktemp("pairs"), np.random.default_rng(7))


@pytest.fixture(scope="module")
def finished(pairs, tmp_path_factory):
    """One arm with two seeds, and what the command said."""
    out = tmp_path_factory.mktemp("ablation") / "out"
    return out, run(out, pairs, "--arms=m4")


def curve(arm, seed, srcc, plcc=(0.5, 0.5)):
    srcc, plcc = np.asarray(srcc), np.asarray(plcc)
    values = {"srcc": srcc, "plcc": plcc, "main_score": np.abs(srcc) + np.abs(plcc)}
    return runs.Curve(arm, seed, np.asarray([50, 100]), values)


def rows_of(markdown):
    """Cells of each row of the first table, the heading's first."""
    lines = markdown.strip().split("\n\n")[0].splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert set("".join(rows.pop(1))) == {"-"}
    assert len({len(row) for row in rows}) == 1
    return rows


def test_the_arms_differ_in_network_and_loss_and_in_nothing_else():
    configs = {name: load_config(arm.config).to_dict() for name, arm in ARMS.items()}
    told = {}
    for name, config in configs.items():
        values = []
        for key in ARM_VALUES:
            section, value = key.split(".")
            values.append(config[section].pop(value))
        told[name] = tuple(values)
    assert all(config == configs["m1"] for config in configs.values())
    assert told == {
        "m1": (0.0, "gsn", 1.0, 0.0),
        "m2": (0.0, "gsn", 1.0, 1.0),
        "m3": (0.7, "gsn", 1.0, 0.0),
        "m4": (0.7, "gsn", 1.0, 1.0),
        "mae": (0.7, "mae", 1.0, 1.0),
        "norm_in_norm": (0.7, "norm_in_norm", 1.0, 1.0),
    }


@pytest.mark.slow
def test_the_command_trains_with_every_seed_and_prints_the_table(finished):
    out, result = finished
    assert result.exit_code == 0
    assert result.stdout.strip() == (out / "table.md").read_text().strip()
    with open(out / "results.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["arm"], row["seed"], row["step"]) for row in rows] == [
        ("m4", seed, step) for seed in "01" for step in "24"
    ]
    (line,) = rows_of(result.stdout)[1:]
    for cell, name in zip(line[4:7], ("plcc", "srcc", "main_score"), strict=True):
        values = np.asarray([float(row[name]) for row in rows if row["step"] == "4"])
        want = f"{values.mean():.3f} ± {math.sqrt(((values - values.mean()) ** 2).sum()):.3f}"
        assert cell == want
    assert sorted(file.name for file in out.iterdir() if file.is_file()) == [
        "loss_comparison.png", "loss_comparison.svg", "results.csv", "table.md",
    ]  # fmt: skip
    assert (out / "loss_comparison.png").read_bytes().startswith(b"\x89PNG")


def test_arms_of_one_seed_share_their_scenes_and_seeds_do_not(pairs, tmp_path):
    plan = runs.Plan(list(ARMS.values()), (0, 1), tmp_path, [f"--config.data.train={pairs}"])
    held_out = {
        (arm.name, seed): frozenset(
            open_sources(plan.config(arm, seed).data, seed)[1].reference_ids
        )
        for arm, seed in plan
    }
    # Seed by seed: an unfinished ablation compares all arms.
    assert list(held_out) == [(name, seed) for seed in plan.seeds for name in ARMS]
    for seed in plan.seeds:
        assert len({held_out[name, seed] for name in ARMS}) == 1
    assert held_out["m1", 0] != held_out["m1", 1]


@pytest.mark.slow
def test_a_second_call_only_prints(finished, pairs, monkeypatch):
    out, before = finished
    figure = (out / "loss_comparison.svg").read_bytes()

    def train(*arguments):
        raise AssertionError("trained again")

    monkeypatch.setattr(runs, "train", train)
    again = run(out, pairs, "--arms=m4")
    assert (again.exit_code, again.stdout) == (0, before.stdout)
    assert (out / "loss_comparison.svg").read_bytes() == figure


@pytest.mark.slow
def test_an_interrupted_ablation_continues_to_the_same_results(
    finished, pairs, tmp_path, monkeypatch
):
    """Stopped in the second of two runs; the first is kept, the second continues."""
    out = tmp_path / "out"
    shutil.copytree(finished[0], out)
    shutil.rmtree(out / "m4" / "seed_1")
    calls = []
    real = loop.TrainingLog.advance

    def advance(self, step):
        calls.append(step)
        if len(calls) == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        return real(self, step)

    monkeypatch.setattr(loop.TrainingLog, "advance", advance)
    stopped = run(out, pairs, "--arms=m4")
    assert stopped.exit_code == 1
    assert "SIGTERM: 1 of 2 runs are finished; run the same command" in stopped.stderr
    assert [(row[0], row[3]) for row in rows_of(stopped.stdout)[1:]] == [("M4", "1")]
    continued = run(out, pairs, "--arms=m4")
    assert continued.exit_code == 0
    assert calls == [1, 2, 3, 4]
    assert continued.stdout == finished[1].stdout
    for file in ("results.csv", "table.md", "loss_comparison.svg"):
        assert (out / file).read_bytes() == (finished[0] / file).read_bytes()


@pytest.mark.slow
def test_a_signal_in_the_last_evaluation_of_a_run_starts_no_other(pairs, tmp_path, monkeypatch):
    """Too late to stop the first of two runs, which is finished."""
    real = loop.TrainingLog.report_evaluation

    def report_evaluation(self, step, summary):
        if step == 4:
            os.kill(os.getpid(), signal.SIGTERM)
        return real(self, step, summary)

    monkeypatch.setattr(loop.TrainingLog, "report_evaluation", report_evaluation)
    result = run(tmp_path / "out", pairs, "--arms=m4")
    assert result.exit_code == 1
    assert "SIGTERM: 1 of 2 runs are finished; run the same command" in result.stderr
    assert not (tmp_path / "out" / "m4" / "seed_1").exists()


def test_a_signal_in_a_run_that_diverges_starts_no_other(pairs, tmp_path, monkeypatch):
    started = []

    def train(config, workdir):
        started.append(workdir)
        error = loop.DivergenceError("the loss is not finite at step 3")
        error.signal = "SIGTERM"
        raise error

    monkeypatch.setattr(runs, "train", train)
    result = run(tmp_path / "out", pairs, "--arms=m4")
    assert result.exit_code == 1
    assert "SIGTERM: 0 of 2 runs are finished" in result.stderr
    assert len(started) == 1


@pytest.mark.slow
def test_a_run_that_diverges_is_said_and_the_others_are_compared(
    finished, pairs, tmp_path, monkeypatch
):
    shutil.copytree(finished[0] / "m4", tmp_path / "out" / "m4")

    def train(*arguments):
        raise loop.DivergenceError("the loss is not finite at step 3")

    monkeypatch.setattr(runs, "train", train)
    result = run(tmp_path / "out", pairs, "--arms=m3,m4", "--seeds=0")
    assert result.exit_code == 1
    assert "m3, seed 0: the loss is not finite at step 3" in result.stderr
    assert [row[0] for row in rows_of(result.stdout)[1:]] == ["M4"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--arms=m5"], "--arms: unknown arm 'm5'; known: m1"),
        (["--seeds=a"], "give whole numbers"),
        (["--seeds=-1"], "give whole numbers"),
        (["--config.loss.beta=2"], "--config.loss.beta: set by the ablation"),
        (["--config.seed=2"], "--config.seed: set by the ablation"),
        (["extra"], "unexpected argument 'extra'"),
    ],
)
def test_wrong_calls_say_what_to_do(arguments, message, pairs, tmp_path):
    with pytest.raises(InputError, match=message):
        run(tmp_path / "out", pairs, *arguments)
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_runs_of_another_length_or_model_are_refused(finished, pairs):
    out, _ = finished
    for change in ("train.steps=5", "model.fusion_width=8"):
        key, _, _ = change.partition("=")
        plan = runs.Plan(
            [ARMS["m4"]], [0], out, [f"--config.data.train={pairs}", *TINY, f"--config.{change}"]
        )
        with pytest.raises(InputError, match=f"run with a different {key}; choose a new --out"):
            runs.collect(plan)


def test_without_matplotlib_it_says_what_to_install_before_training(pairs, tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'gsn_jax\[report\]'"):
        run(tmp_path / "out", pairs)
    assert not (tmp_path / "out").exists()


def test_the_table_takes_the_last_evaluation_not_the_best():
    """Values by hand: mean of .6 and .8 is .7, their deviation sqrt(.02) = .141."""
    curves = [curve("m1", 0, (0.9, 0.6)), curve("m1", 1, (0.7, 0.8)), curve("mae", 0, (0.1, 0.2))]
    heading, m1, mae = rows_of(table.arms_table(curves))
    assert heading[:7] == ["arm", "network", "loss", "seeds", "PLCC", "SRCC", "main score"]
    assert m1 == [
        "M1", "CNN", "MSE", "2", "0.500 ± 0.000", "0.700 ± 0.141", "1.200 ± 0.141",
        "0.785", "0.751", "1.536",
    ]  # fmt: skip
    assert mae == ["mae", "CDC", "MAE", "1", "0.500", "0.200", "0.700", "-", "-", "-"]


def test_differences_are_taken_within_a_seed():
    """Seeds differ by much, the arms of a seed by exactly .1; seed 2 has no partner."""
    curves = [
        curve("m1", 0, (0, 0.5)),
        curve("m1", 1, (0, 0.8)),
        curve("m1", 2, (0, 0.1)),
        curve("m3", 0, (0, 0.6)),
        curve("m3", 1, (0, 0.9)),
    ]
    assert table.differences(curves, "m1", "m3", "srcc") == pytest.approx([0.1, 0.1])
    _, row = rows_of(table.differences_table(curves))
    assert row == [
        "CDC instead of CNN, loss MSE", "2", "+0.000 ± 0.000", "+0.100 ± 0.000", "+0.100 ± 0.000",
        "+0.096",
    ]  # fmt: skip


def test_the_figure_shows_mean_and_band_of_each_loss(tmp_path):
    curves = [curve("m4", 0, (0.2, 0.6)), curve("m4", 1, (0.4, 0.6)), curve("mae", 0, (0.1, 0.3))]
    steps, mean, deviation = loss_figure.mean_curve(curves, "m4")
    np.testing.assert_allclose(steps, [50, 100])
    np.testing.assert_allclose(mean, [0.3, 0.6])
    np.testing.assert_allclose(deviation, [math.sqrt(0.02), 0], atol=1e-12)
    figure = loss_figure.draw_loss_comparison(curves)
    lines = {line.get_label(): line.get_ydata() for line in figure.axes[0].lines}
    assert set(lines) == {"MAE", "ours"}
    np.testing.assert_allclose(lines["MAE"], [0.1, 0.3])
    svg, png = loss_figure.write_figure(figure, tmp_path, "losses")
    texts = {element.text for element in ElementTree.parse(svg).iter() if element.text}
    assert {"MAE", "ours", "training steps", "SRCC on held-out scenes"} <= texts
    assert svg.stat().st_size < 150_000
    assert png.stat().st_size > 0
