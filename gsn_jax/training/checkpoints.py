"""Checkpoints of a training run: the newest ones and the best, each complete or absent.

A checkpoint holds the model, the optimiser and, as metadata, everything else needed to continue the
run or to read the model: the position of the input, the configuration, the calibration.
"""

from __future__ import annotations

import functools
import os
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from orbax.checkpoint import v1 as ocp

from gsn_jax import storage
from gsn_jax.devices import distributed
from gsn_jax.models import run_checkpoints
from gsn_jax.models.run_checkpoints import quiet_orbax, ranking, read_metadata
from gsn_jax.training.state import TrainState

# Fields of the state that make up the model; the rest is needed only to continue the run.
_MODEL_FIELDS = ("params", "ema")
_PROGRESS_FIELDS = ("step", "opt_state", "key", "failed_step")


class Checkpoints:
    """The checkpoints in a folder, one subfolder per step.

    A context manager: leaving it waits for pending writes.
    """

    def __init__(self, directory: str | os.PathLike[str], *, keep: int):
        """Opens (and creates) the folder.

        Checkpoints that differ from their checksums are moved to the folder `damaged` beside it,
        each with a warning. One that would not be kept anyway is deleted: a run was killed while
        deleting it.

        Args:
            directory: the folder.
            keep: how many of the newest checkpoints to keep besides the best by SRCC.
        """
        self._directory = storage.folder(directory)
        policies = ocp.training.preservation_policies
        quiet_orbax()
        if distributed.is_first():
            self._set_damaged_aside(keep)
        distributed.wait_for_all("checkpoints checked")
        # Called in the first process, before a checkpoint gets its final name. In a bucket it has
        # that name from the start, and every object has a checksum that clients verify.
        add_checksums: Callable[[], None] | None = None
        if not storage.is_url(self._directory):
            add_checksums = functools.partial(run_checkpoints.write_checksums, self._directory)
        self._checkpointer = ocp.training.Checkpointer(
            self._directory,
            context=ocp.Context(
                async_options=ocp.options.AsyncOptions(post_finalization_callback=add_checksums)
            ),
            save_decision_policy=ocp.training.save_decision_policies.FixedIntervalPolicy(1),
            preservation_policy=policies.AnyPreservationPolicy(
                [
                    policies.LatestN(keep),
                    policies.BestN(
                        n=1, get_metric_fn=ranking, keep_checkpoints_without_metrics=False
                    ),
                ]
            ),
            cleanup_tmp_directories=True,
        )

    def __enter__(self) -> Checkpoints:
        return self

    def __exit__(self, kind: type[BaseException] | None, *exception: object) -> None:
        # If one process of several has failed, a pending save may never finish: do not wait for it.
        if kind is None or jax.process_count() == 1:
            self.close()

    def close(self) -> None:
        """Waits for pending writes."""
        self._checkpointer.close()

    def steps(self) -> list[int]:
        """Steps of the complete checkpoints, ascending."""
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

        Every process calls it and writes its part. The next step waits only for the copy to the
        host, not for the write.

        Args:
            step: number of updates done.
            state: what to save; copied first, so the caller may donate it.
            metadata: values for JSON; see `read_metadata`.
            metrics: of the evaluation at this step, with "srcc", by which the best checkpoint is
                kept.
            overwrite: replace a checkpoint of the same step; otherwise it is left as it is.
        """
        self._checkpointer.wait()
        if step in self.steps() and not overwrite:
            return
        items = _split(jax.tree.map(jnp.copy, state))
        self._checkpointer.save_checkpointables_async(
            step,
            items,
            metrics=metrics,
            custom_metadata=run_checkpoints.seal(metadata),
            overwrite=overwrite,
        )

    def restore(self, state: TrainState) -> tuple[TrainState, dict[str, Any]] | None:
        """The newest checkpoint that can be read, with its metadata; None where there is none.

        One that cannot be read is moved to the folder `damaged` beside this one, with a warning,
        and the one before it is tried.

        Args:
            state: an abstract state of the expected structure. Its shardings decide where every
                array is placed, whatever devices and processes it was saved from.
        """
        for step in reversed(self.steps()):
            failure = None
            try:
                # One part at a time: if one of several parts cannot be read, Orbax never awaits the
                # coroutines of the others.
                items = {
                    name: self._checkpointer.load(step, part, checkpointable_name=name)
                    for name, part in _split(state).items()
                }
                metadata = read_metadata(self._directory / str(step))
            except Exception as error:  # damage may raise anything
                failure = error
            if distributed.anywhere(failure is not None):
                self._set_aside(step, failure)
                continue
            fields = {**items["model"], **items["progress"]}
            return TrainState(**fields), metadata
        return None

    def _set_damaged_aside(self, keep: int) -> None:
        from etils import epath

        folders = self._directory.iterdir() if self._directory.is_dir() else ()
        steps = [folder for folder in folders if folder.name.isdigit()]
        found = ((folder, run_checkpoints.find_damage(folder)) for folder in steps)
        damaged = {folder: damage for folder, damage in found if damage}
        whole = [folder for folder in steps if folder not in damaged]
        for folder, damage in damaged.items():
            if _is_superfluous(folder, whole, keep):
                epath.Path(folder).rmtree()  # nothing is lost, so nothing is said
            else:
                self._move_aside(folder.name, damage)

    def _set_aside(self, step: int, error: Exception | None) -> None:
        if distributed.is_first():
            reason = str(error or "another process failed to read it").strip().splitlines()
            self._move_aside(str(step), reason[0] if reason else type(error).__name__)
        distributed.wait_for_all(f"set aside {step}")
        self._checkpointer.reload()

    def _move_aside(self, step: str, reason: str) -> None:
        folder = self._directory.parent / "damaged"
        if storage.is_url(folder):
            (folder / ".folder").write_text("")  # without a file there would be no folder
        else:
            folder.mkdir(exist_ok=True)
        target = folder / step
        suffix = 0
        while target.exists():
            suffix += 1
            target = folder / f"{step}.{suffix}"
        (self._directory / step).rename(target)
        warnings.warn(
            f"checkpoint {step} cannot be read ({reason}); moved to {target}, the run continues "
            "without it",
            stacklevel=4,
        )


def _is_superfluous(folder: Path, others: Sequence[Path], keep: int) -> bool:
    """Whether a checkpoint is neither among the `keep` newest nor the best."""
    newer = sum(int(other.name) > int(folder.name) for other in others)
    rank = run_checkpoints.rank_of
    return newer >= keep and rank(folder) <= max(map(rank, others))


def _split(state: TrainState) -> dict[str, dict[str, Any]]:
    return {
        "model": {name: getattr(state, name) for name in _MODEL_FIELDS},
        "progress": {name: getattr(state, name) for name in _PROGRESS_FIELDS},
    }
