"""Runs the arms of the ablation with several seeds, and collects what their evaluations said.

    out/ARM/seed_N/    the run of one arm with one seed, as `gsn train` leaves it
    out/results.csv    every evaluation of every run

The seed decides initialisation, order of the batches and which scenes are held out, so that the
arms of one seed are trained and judged on the same scenes: their differences are paired.
"""

from __future__ import annotations

import csv
import dataclasses
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from ml_collections import ConfigDict

from gsn_jax.benchmark.ablation.arms import ARM_VALUES, SEED_VALUES, Arm
from gsn_jax.errors import InputError
from gsn_jax.training.config import changed_keys, load_config
from gsn_jax.training.history import COLUMNS, read_evaluations
from gsn_jax.training.loop import DivergenceError, train
from gsn_jax.training.run_folder import plain

VALUES = ("plcc", "srcc", "main_score")


@dataclasses.dataclass(frozen=True)
class Curve:
    """The evaluations of one run on its held-out scenes.

    Attributes:
        arm: name of the arm.
        seed: seed of the run.
        steps: `(E,)` number of updates at each evaluation, rising.
        values: "plcc", "srcc" and "main_score", each `(E,)`.
    """

    arm: str
    seed: int
    steps: np.ndarray
    values: dict[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Plan:
    """The runs of an ablation.

    Attributes:
        arms: what is compared.
        seeds: at least one; every arm is trained with each.
        folder: where the runs are.
        overrides: `--config.KEY=VALUE` for every run.
    """

    arms: Sequence[Arm]
    seeds: Sequence[int]
    folder: Path
    overrides: Sequence[str] = ()

    def __iter__(self) -> Iterator[tuple[Arm, int]]:
        """Seed by seed, so that an unfinished ablation already compares all arms."""
        return ((arm, seed) for seed in self.seeds for arm in self.arms)

    def workdir(self, arm: Arm, seed: int) -> Path:
        """Folder of one run."""
        return self.folder / arm.name / f"seed_{seed}"

    def config(self, arm: Arm, seed: int) -> ConfigDict:
        """Configuration of one run.

        Raises:
            InputError: an override is wrong, or changes what tells the runs apart.
        """
        for override in self.overrides:
            key = override.removeprefix("--config.").partition("=")[0]
            if key in ARM_VALUES + SEED_VALUES:
                raise InputError(f"{key} is what the runs of an ablation differ in; leave it out")
        config = load_config(arm.config, self.overrides)
        config.seed = seed
        config.data.split_seed = seed
        return config


def run_missing(plan: Plan, report: Callable[[str], None]) -> str | None:
    """Trains what is not finished; interrupted runs continue.

    Args:
        plan: the runs.
        report: called with one line before each run and for each that fails.

    Returns:
        The name of a signal to stop, after which no run was started; None without.

    Raises:
        InputError: the configuration or the data are wrong, or a folder holds another run.
    """
    missing = [(arm, seed) for arm, seed in plan if not _finished(plan, arm, seed)]
    for number, (arm, seed) in enumerate(missing, start=1):
        report(f"{arm.name}, seed {seed}: run {number} of {len(missing)} to do")
        try:
            signal = train(plan.config(arm, seed), plan.workdir(arm, seed)).signal
        except DivergenceError as error:  # the others are still worth comparing
            report(f"{arm.name}, seed {seed}: {error}")
            signal = error.signal
        if signal:  # even where it came too late to stop that run
            return signal
    return None


def collect(plan: Plan) -> list[Curve]:
    """The evaluations of the finished runs, in the order of the plan."""
    return [
        _curve(arm, seed, plan.workdir(arm, seed))
        for arm, seed in plan
        if _finished(plan, arm, seed)
    ]


def write_results(curves: Sequence[Curve], file: Path) -> None:
    """One row per evaluation: arm, seed, step, SRCC, PLCC, main score."""
    partial = file.with_name(f"{file.name}.partial")
    with partial.open("w", newline="", encoding="utf-8") as lines:
        writer = csv.writer(lines, lineterminator="\n")
        writer.writerow(("arm", "seed", *COLUMNS))
        for curve in curves:
            for index, step in enumerate(curve.steps):
                values = (curve.values[name][index] for name in COLUMNS[1:])
                writer.writerow((curve.arm, curve.seed, step, *values))
    partial.replace(file)


def _finished(plan: Plan, arm: Arm, seed: int) -> bool:
    """Whether the run has its last evaluation and its model.

    Raises:
        InputError: the folder holds a run with other values.
    """
    workdir, config = plan.workdir(arm, seed), plain(plan.config(arm, seed))
    file = workdir / "config.json"
    if not file.exists():
        return False
    before = json.loads(file.read_text(encoding="utf-8"))
    changed = changed_keys(before, config)
    # The trainer may lengthen a run; here all must have had the same schedule and evaluations.
    changed += [
        f"train.{key}"
        for key in ("steps", "eval_every", "eval_pairs")
        if before["train"][key] != config["train"][key]
    ]
    if changed:
        raise InputError(
            f"{workdir} holds a run with another {', '.join(changed[:5])}; "
            "choose a new --out, or the values of before"
        )
    evaluations = read_evaluations(workdir)
    done = bool(evaluations) and evaluations[-1]["step"] == config["train"]["steps"]
    return done and (workdir / "model").is_dir()


def _curve(arm: Arm, seed: int, workdir: Path) -> Curve:
    evaluations = read_evaluations(workdir)
    return Curve(
        arm=arm.name,
        seed=seed,
        steps=np.asarray([row["step"] for row in evaluations]),
        values={name: np.asarray([row[name] for row in evaluations]) for name in VALUES},
    )
