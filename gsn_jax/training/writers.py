"""Writers for the scalars of a run: TensorBoard, Weights & Biases, MLflow.

A writer records named scalars, such as `train/loss`, at a step. Accounts, servers and offline modes
are set by the environment variables of each product (`WANDB_MODE`, `MLFLOW_TRACKING_URI`, ...).
"""

from __future__ import annotations

import importlib
import os
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from gsn_jax import storage
from gsn_jax.errors import InputError

PROJECT = "gsn_jax"
_TAG = "gsn_jax.run"
_ID_FILE = "tracking_id.txt"


class Writer(Protocol):
    """Records the scalars of a run."""

    def write(self, scalars: Mapping[str, float], step: int) -> None:
        """Records named scalars at a step; steps never decrease."""

    def close(self) -> None:
        """Flushes pending scalars and ends the recording."""


class TensorBoard:
    """TensorBoard event files in `workdir/tensorboard`, which may be in a bucket."""

    def __init__(self, workdir: Path, first_step: int, config: Mapping[str, Any]):
        from tensorboardX import SummaryWriter

        del config  # in config.json
        # `purge_step` hides what an interrupted run wrote after its last checkpoint.
        self._writer = SummaryWriter(
            str(workdir / "tensorboard"),
            purge_step=first_step + 1,
            filename_suffix=f".{first_step}",  # names have a resolution of one second
        )

    def write(self, scalars: Mapping[str, float], step: int) -> None:
        """See `Writer`."""
        for name, value in scalars.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def close(self) -> None:
        """See `Writer`."""
        self._writer.close()


class WandB:
    """A run of Weights & Biases, in the project gsn_jax unless `WANDB_PROJECT` names another.

    A resumed run keeps its id. W&B cannot overwrite steps, so those repeated after an interruption
    keep their first values.
    """

    def __init__(self, workdir: Path, first_step: int, config: Mapping[str, Any]):
        del first_step
        wandb = _package("wandb", "wandb")
        # W&B's own files go to the run's folder, or to W&B's default if that is in a bucket.
        folder = None if storage.is_url(workdir) else str(workdir)
        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", PROJECT),
            name=workdir.name,
            id=_identity(workdir),
            resume="allow",
            dir=folder,
            config=dict(config),
            settings=wandb.Settings(silent=True, console="off"),
        )

    def write(self, scalars: Mapping[str, float], step: int) -> None:
        """See `Writer`."""
        self._run.log(dict(scalars), step=step)

    def close(self) -> None:
        """See `Writer`."""
        self._run.finish()


class MLflow:
    """A run of MLflow, in the experiment gsn_jax unless `MLFLOW_EXPERIMENT_NAME` names another.

    A resumed run is found by its tag `gsn_jax.run`; repeated steps have two values.
    """

    def __init__(self, workdir: Path, first_step: int, config: Mapping[str, Any]):
        del first_step
        self._entities = _package("mlflow.entities", "mlflow")
        self._client = _package("mlflow", "mlflow").MlflowClient()
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", PROJECT)
        found = self._client.get_experiment_by_name(name)
        experiment = found.experiment_id if found else self._client.create_experiment(name)
        mine = f"tags.`{_TAG}` = '{_identity(workdir)}'"
        before = self._client.search_runs([experiment], mine)
        run = before[0] if before else self._new(experiment, workdir, config)
        self._id = run.info.run_id
        self._client.update_run(self._id, status="RUNNING")

    def _new(self, experiment: str, workdir: Path, config: Mapping[str, Any]) -> Any:
        tags = {_TAG: _identity(workdir), "workdir": str(workdir)}
        run = self._client.create_run(experiment, run_name=workdir.name, tags=tags)
        for section, values in config.items():
            self._client.log_param(run.info.run_id, section, str(values))
        return run

    def write(self, scalars: Mapping[str, float], step: int) -> None:
        """See `Writer`."""
        now = int(1000 * time.time())
        metrics = [self._entities.Metric(name, value, now, step) for name, value in scalars.items()]
        self._client.log_batch(self._id, metrics)

    def close(self) -> None:
        """See `Writer`."""
        self._client.set_terminated(self._id)


DEFAULT = ("tensorboard",)

WRITERS: dict[str, Callable[[Path, int, Mapping[str, Any]], Writer]] = {
    "tensorboard": TensorBoard,
    "wandb": WandB,
    "mlflow": MLflow,
}


def check_names(names: Sequence[str]) -> None:
    """Checks the names of writers.

    Raises:
        InputError: one is unknown.
    """
    for name in names:
        if name not in WRITERS:
            raise InputError(f"--writers: unknown {name!r}; known: {', '.join(WRITERS)}")


def open_writers(
    names: Sequence[str], workdir: Path, first_step: int, config: Mapping[str, Any]
) -> list[Writer]:
    """Opens the writers of a run.

    Args:
        names: keys of `WRITERS`.
        workdir: folder of the run.
        first_step: number of steps done.
        config: the configuration as plain values.

    Raises:
        InputError: a package is missing.
    """
    return [WRITERS[name](workdir, first_step, config) for name in names]


def _identity(workdir: Path) -> str:
    """The random id of the run in a folder, which moves with the folder."""
    file = workdir / _ID_FILE
    if not file.exists():
        storage.write_text(file, secrets.token_hex(8) + "\n")
    return file.read_text(encoding="utf-8").strip()


def _package(name: str, extra: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        raise InputError(
            f"--writers: {extra} needs another package: pip install 'gsn_jax[{extra}]'"
        ) from None
