"""Checkpoints of a training run: the newest ones and the best, each complete or not there.

A checkpoint holds the model, the optimiser and, as metadata, everything else that a continuation
or a reader needs: the position of the input, the configuration, the calibration.
"""

from __future__ import annotations

import logging
import math
import os
import warnings
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from orbax.checkpoint import v1 as ocp

from gsn_jax.training import distributed
from gsn_jax.training.state import TrainState

FORMAT = 1

# Fields of the state that a reader of the model needs; the rest is only for continuing.
_MODEL_FIELDS = ("params", "batch_stats", "ema")
_PROGRESS_FIELDS = ("step", "opt_state", "key", "failed_step")

logger = logging.getLogger(__name__)


class Checkpoints:
    """The checkpoints in a folder, one subfolder per step.

    A context manager: leaving it waits for what is still being written.
    """

    def __init__(self, directory: str | os.PathLike[str], *, keep: int):
        """Opens (and creates) the folder.

        Args:
            directory: the folder.
            keep: how many of the newest checkpoints to keep beside the best by SRCC.
        """
        self._directory = Path(directory).absolute()
        policies = ocp.training.preservation_policies
        quiet_orbax()
        self._checkpointer = ocp.training.Checkpointer(
            self._directory,
            save_decision_policy=ocp.training.save_decision_policies.FixedIntervalPolicy(1),
            preservation_policy=policies.AnyPreservationPolicy(
                [
                    policies.LatestN(keep),
                    policies.BestN(
                        n=1, get_metric_fn=_ranking, keep_checkpoints_without_metrics=False
                    ),
                ]
            ),
            cleanup_tmp_directories=True,
        )

    def __enter__(self) -> Checkpoints:
        return self

    def __exit__(self, kind: type[BaseException] | None, *exception: object) -> None:
        # After a failure of one process the others may never come to finish a save with it.
        if kind is None or jax.process_count() == 1:
            self.close()

    def close(self) -> None:
        """Waits for what is being written."""
        self._checkpointer.close()

    def steps(self) -> list[int]:
        """Steps of the complete checkpoints, rising."""
        return [checkpoint.step for checkpoint in self._checkpointer.checkpoints]

    def save(
        self,
        step: int,
        state: TrainState,
        metadata: dict[str, Any],
        metrics: dict[str, float] | None = None,
        *,
        overwrite: bool = False,
    ) -> None:
        """Starts writing a checkpoint, in the background.

        Every process calls it, and writes its part. The step that comes next does not wait for
        the writing, only for the copy to the host.

        Args:
            step: number of updates done.
            state: what to save; copied first, so the caller may donate it.
            metadata: JSON-able; see `read_metadata`.
            metrics: of the evaluation at this step, with "srcc"; the best checkpoint is kept.
            overwrite: replace a checkpoint of the same step; otherwise it stays.
        """
        self._checkpointer.wait()
        if step in self.steps() and not overwrite:
            return
        items = _split(jax.tree.map(jnp.copy, state))
        self._checkpointer.save_checkpointables_async(
            step,
            items,
            metrics=metrics,
            custom_metadata={"format": FORMAT, **metadata},
            overwrite=overwrite,
        )

    def restore(self, state: TrainState) -> tuple[TrainState, dict[str, Any]] | None:
        """The newest checkpoint that can be read, with its metadata; None where there is none.

        A damaged checkpoint is moved to the folder `damaged` beside, with a warning, and the one
        before it is tried.

        Args:
            state: an abstract state of the wanted structure; its leaves say by their sharding
                where every array goes, whatever devices and processes it was saved from.
        """
        for step in reversed(self.steps()):
            failure = None
            try:
                # One part at a time: where one of several parts cannot be read, Orbax leaves
                # the coroutines of the others behind, never awaited.
                items = {
                    name: self._checkpointer.load(step, part, checkpointable_name=name)
                    for name, part in _split(state).items()
                }
                metadata = read_metadata(self._directory / str(step))
            except Exception as error:  # whatever a damaged file leads to
                failure = error
            if distributed.anywhere(failure is not None):
                self._set_aside(step, failure)
                continue
            fields = {**items["model"], **items["progress"]}
            return TrainState(**fields), metadata
        return None

    def _set_aside(self, step: int, error: Exception | None) -> None:
        if not distributed.is_first():
            distributed.wait_for_all(f"set aside {step}")
            self._checkpointer.reload()
            return
        folder = self._directory.parent / "damaged"
        folder.mkdir(exist_ok=True)
        target = folder / str(step)
        suffix = 0
        while target.exists():
            suffix += 1
            target = folder / f"{step}.{suffix}"
        (self._directory / str(step)).rename(target)
        distributed.wait_for_all(f"set aside {step}")
        self._checkpointer.reload()
        reason = str(error or "in another process").strip().splitlines()[:1]
        reason = reason or [type(error).__name__]
        warnings.warn(
            f"checkpoint {step} cannot be read ({reason[0]}); moved to {target}, "
            "trying the one before",
            stacklevel=3,
        )


def best_step(directory: str | os.PathLike[str]) -> int | None:
    """Step of the best evaluated checkpoint in a folder, else of the newest; None without any."""
    with ocp.training.Checkpointer(Path(directory).absolute()) as checkpointer:
        checkpoints = checkpointer.checkpoints
    evaluated = [checkpoint for checkpoint in checkpoints if checkpoint.metrics]
    if evaluated:
        return max(evaluated, key=lambda checkpoint: _ranking(checkpoint.metrics)).step
    return checkpoints[-1].step if checkpoints else None


def read_metadata(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Metadata of one checkpoint: `config`, `input`, `calibration`, `evaluation`, `version`.

    `unevaluated` says that the run was stopped in the evaluation that was due at this step.

    Raises:
        ValueError: the folder is not a checkpoint of this trainer.
    """
    metadata = ocp.checkpointables_metadata(Path(path).absolute()).custom_metadata
    if not isinstance(metadata, dict) or metadata.get("format") != FORMAT:
        raise ValueError(f"{path}: not a checkpoint of this trainer (format {FORMAT})")
    return metadata


def read_variables(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The variables of the model in one checkpoint, averaged parameters where there are any.

    As NumPy arrays, so that it does not matter on which devices they were saved.
    """
    folder = Path(path).absolute()
    saved = ocp.checkpointables_metadata(folder).metadata["model"]
    abstract = jax.tree.map(lambda leaf: np.empty(leaf.shape, leaf.dtype), saved)
    model = ocp.load(folder, abstract, checkpointable_name="model")
    return {"params": model["ema"] or model["params"], "batch_stats": model["batch_stats"]}


def quiet_orbax() -> None:
    """Orbax logs every phase of every save through absl; only what needs attention is shown."""
    logging.getLogger("absl").setLevel(logging.ERROR)


def _split(state: TrainState) -> dict[str, dict[str, Any]]:
    return {
        "model": {name: getattr(state, name) for name in _MODEL_FIELDS},
        "progress": {name: getattr(state, name) for name in _PROGRESS_FIELDS},
    }


def _ranking(metrics: dict[str, float]) -> float:
    value = float(metrics["srcc"])
    return value if math.isfinite(value) else -1.0
