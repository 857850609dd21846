"""Trains the arms of the ablation with several seeds and collects their evaluations.

    out/ARM/seed_N/    the run of one arm with one seed, as `gsn train` leaves it
    out/results.csv    every evaluation of every run

The seed decides the initialisation, the order of the batches and the held-out scenes. The arms of
one seed are therefore trained and evaluated on the same scenes, and their differences are paired.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from ml_collections import ConfigDict

from gsn_jax.benchmark.ablation.arms import ARM_VALUES, SEED_VALUES, Arm
from gsn_jax.errors import InputError
from gsn_jax.storage import csv_text, write_text
from gsn_jax.training.config import changed_keys, load_config
from gsn_jax.training.history import COLUMNS, read_evaluations
from gsn_jax.training.loop import DivergenceError, train
from gsn_jax.training.run_folder import plain, read_config

VALUES = ("plcc", "srcc", "main_score")


@dataclasses.dataclass(frozen=True)
class Curve:
    """The evaluations of one run on its held-out scenes.

    Attributes:
        arm: name of the arm.
        seed: seed of the run.
        steps: `(E,)` number of updates at each evaluation, ascending.
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
        arms: the arms to compare.
        seeds: at least one; every arm is trained with each.
        folder: folder of the runs.
        overrides: `--config.KEY=VALUE` for every run.
    """

    arms: Sequence[Arm]
    seeds: Sequence[int]
    folder: Path
    overrides: Sequence[str] = ()

    def __iter__(self) -> Iterator[tuple[Arm, int]]:
        """Yields (arm, seed) seed by seed, so that an unfinished ablation compares all arms."""
        return ((arm, seed) for seed in self.seeds for arm in self.arms)

    def workdir(self, arm: Arm, seed: int) -> Path:
        """Folder of one run."""
        return self.folder / arm.name / f"seed_{seed}"

    def config(self, arm: Arm, seed: int) -> ConfigDict:
        """Configuration of one run.

        Raises:
            InputError: an override is wrong or changes a value in which the runs differ.
        """
        for override in self.overrides:
            key = override.removeprefix("--config.").partition("=")[0]
            if key in ARM_VALUES + SEED_VALUES:
                raise InputError(f"--config.{key}: set by the ablation for each run; leave it out")
        config = load_config(arm.config, self.overrides)
        config.seed = seed
        return config


def run_missing(plan: Plan, report: Callable[[str], None]) -> str | None:
    """Trains all unfinished runs; interrupted ones continue.

    Args:
        plan: the runs.
        report: called with one line before each run and for each that diverges.

    Returns:
        The name of the signal that ended the ablation early; None if there was none.

    Raises:
        InputError: the configuration or the data are wrong, or a folder holds another run.
    """
    missing = [(arm, seed) for arm, seed in plan if not _finished(plan, arm, seed)]
    for number, (arm, seed) in enumerate(missing, start=1):
        report(f"{arm.name}, seed {seed}: run {number} of {len(missing)} remaining")
        try:
            signal = train(plan.config(arm, seed), plan.workdir(arm, seed)).signal
        except DivergenceError as error:  # the others are still worth comparing
            report(f"{arm.name}, seed {seed}: {error}")
            signal = error.signal
        if signal:  # even if it came too late to stop that run
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
    """Writes one row per evaluation: arm, seed, step, SRCC, PLCC, main score."""
    rows = (
        (curve.arm, curve.seed, step, *(curve.values[name][index] for name in COLUMNS[1:]))
        for curve in curves
        for index, step in enumerate(curve.steps)
    )
    write_text(file, csv_text([("arm", "seed", *COLUMNS), *rows]))


def _finished(plan: Plan, arm: Arm, seed: int) -> bool:
    """Whether the run has its last evaluation and its model.

    Raises:
        InputError: the folder has a run with other values.
    """
    workdir, config = plan.workdir(arm, seed), plain(plan.config(arm, seed))
    file = workdir / "config.json"
    if not file.exists():
        return False
    before = read_config(file)
    changed = changed_keys(before, config)
    # `gsn train` may lengthen a run, but all runs here need the same schedule and evaluations.
    changed += [
        f"train.{key}"
        for key in ("steps", "eval_every", "eval_pairs")
        if before["train"][key] != config["train"][key]
    ]
    if changed:
        raise InputError(
            f"{workdir}: contains a run with a different {', '.join(changed[:5])}; "
            "choose a new --out, or use the earlier values"
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
