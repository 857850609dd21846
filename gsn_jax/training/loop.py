"""The training loop: trains the model of a configuration and leaves it in a folder.

Any number of processes run the same loop over the same global arrays; each reads its share of every
batch and takes part in every save. `run_folder` lists the files of a run.
"""

from __future__ import annotations

import collections
import dataclasses
import os
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from gsn_jax import storage
from gsn_jax._version import __version__
from gsn_jax.devices import distributed
from gsn_jax.errors import InputError
from gsn_jax.models import calibration, registry
from gsn_jax.training import run_folder
from gsn_jax.training.evaluation import Evaluation, evaluate
from gsn_jax.training.interruption import StopRequest
from gsn_jax.training.profiling import Tracer, measure_work
from gsn_jax.training.progress import TrainingLog
from gsn_jax.training.run import Run, open_run
from gsn_jax.training.state import TrainState
from gsn_jax.training.stored_crops import StoredCrops
from gsn_jax.training.writers import DEFAULT, check_names, open_writers


class DivergenceError(RuntimeError):
    """The loss or its gradient became NaN or infinite; the message is one line for the user.

    Attributes:
        signal: as in `Result`.
    """

    signal: str | None = None


@dataclasses.dataclass(frozen=True)
class Result:
    """How a run ended.

    Attributes:
        step: number of updates done.
        evaluation: SRCC, PLCC and main score at the end; {} without evaluation pairs.
        stopped_by: name of the signal that ended the run early; None if it finished.
        signal: name of a signal that came, even too late to end this run, so that a sequence of
            runs can stop; None if none came.
    """

    step: int
    evaluation: dict[str, float]
    stopped_by: str | None = None
    signal: str | None = None


def train(
    config: ConfigDict,
    workdir: str | os.PathLike[str],
    *,
    profile: range = range(0),
    writers: Sequence[str] = DEFAULT,
) -> Result:
    """Trains a model, or continues the run in `workdir`.

    A run that is stopped at any point and continued ends with bitwise the same parameters as an
    uninterrupted one, on the same number and kind of devices; on others it sees the same examples.
    On SIGTERM or SIGINT the run saves and ends, after a step or during an evaluation.

    Several processes (see `distributed`) call it with the same arguments and a `workdir` on shared
    storage.

    Args:
        config: see `gsn_jax.training.config`.
        workdir: folder of the run, also in a bucket (`gs://`); created if it is missing.
        profile: steps whose JAX trace is written to `workdir/profile`; see `profiling`.
        writers: where the scalars go, see `writers`.

    Raises:
        InputError: the configuration or the data are wrong, or `workdir` holds a different run, is
            in use, or cannot be written.
        DivergenceError: a loss was not finite; the state before that step is saved.
    """
    if profile and storage.is_url(workdir):
        raise InputError(
            f"--profile: traces can only be written to a disk, not to --workdir {workdir}; profile "
            "a short run in a local folder"
        )
    check_names(writers)
    stop = StopRequest()
    try:
        with stop:
            with open_run(config, workdir, stop) as run:
                result = _continue(run, profile, writers)
            if result.stopped_by is None:
                run_folder.finish(run.workdir)
    except DivergenceError as error:
        error.signal = stop.came()
        raise
    except InputError:
        raise
    except Exception as error:
        reason = run_folder.why_unwritable(workdir, error)
        if reason is None:
            raise
        raise InputError(
            f"--workdir {workdir}: cannot be written ({reason}); once it can, repeat the command "
            "to continue from the newest remaining checkpoint"
        ) from error
    return dataclasses.replace(result, signal=stop.came())


def _continue(run: Run, profile: range, writers: Sequence[str]) -> Result:
    """Restores the newest checkpoint and runs to the end, a signal or a divergence."""
    restored = run.checkpoints.restore(run.abstract)
    state, metadata = (run.create(), None) if restored is None else restored
    first = 0 if metadata is None else int(metadata["step"])
    _check_held_out(run, metadata)
    if run.stop.reached():
        return Result(first, {}, run.stop.reached())
    log = TrainingLog(
        run.workdir,
        first_step=first,
        steps=run.config.train.steps,
        batch_size=run.config.data.batch_size,
        shown=distributed.is_first(),
        work=(
            measure_work(run.model, run.config.data.crop_size, run.mesh.devices.flat)
            if run.stored is None
            else None  # the steps do not run the backbone
        ),
        writers=(
            open_writers(writers, run.workdir, first, run_folder.plain(run.config))
            if distributed.is_first()
            else []
        ),
    )
    tracer = Tracer(run.workdir / "profile", profile)
    with log:
        evaluation: dict[str, float] | None = {}
        if metadata is not None:
            run.batches.set_state(metadata["input"])
            evaluation = metadata["evaluation"]
            log.line(f"continuing from the checkpoint at step {first}")
            shortened = first >= run.config.train.steps and metadata["calibration"] is None
            if metadata.get("unevaluated") or shortened:
                evaluation = _evaluate_and_save(run, state, first, log, overwrite=True)
        if evaluation is None:
            return _stopped(run, first, {}, log)
        if run.stored is not None and not _store_features(run.stored, run, state, log):
            return _stopped(run, first, evaluation, log, saved=metadata is not None)
        with tracer:
            result = _steps(run, state, first, evaluation, log, tracer)
        log.summarise(tracer.describe())
        return result


def _check_held_out(run: Run, metadata: dict[str, Any] | None) -> None:
    """Refuses to continue with changed held-out pairs: evaluations would not be comparable.

    Raises:
        InputError: their labels or images have changed since the checkpoint was written.
    """
    before = metadata.get("held_out") if metadata else None
    changed = distributed.is_first() and before not in (None, run.held_out_identity)
    if metadata and distributed.anywhere(changed):
        raise InputError(
            f"{run.workdir}: labels or images of the held-out pairs have changed since step "
            f"{metadata['step']}; restore them, or choose a new --workdir"
        )


def _store_features(stored: StoredCrops, run: Run, state: TrainState, log: TrainingLog) -> bool:
    """Computes the features of all stored crops; False if a signal came first."""
    log.line(f"computing the features of {len(stored)} crops")
    with log.phase("features"), log.counting("features", len(stored)) as report:
        complete = stored.compute(state.variables(), run.stop.reached, report)
    log.restart_clock(int(state.step))
    return complete


def _steps(
    run: Run,
    state: TrainState,
    first: int,
    evaluation: dict[str, float],
    log: TrainingLog,
    tracer: Tracer,
) -> Result:
    """Runs the steps after `first`."""
    section = run.config.train
    figures = _Figures(run, log, evaluation)
    for number in range(first + 1, section.steps + 1):
        position = run.batches.get_state()
        tracer.begin(number)
        with log.phase("input"):
            batch = next(run.batches)
        with log.phase("step"), tracer.annotated(number):
            with jax.transfer_guard("disallow"):
                state, metrics = run.step(state, batch)
            figures.read_later(number, metrics, position)
            figures.read(state, but=1)
        tracer.end(number, state)
        log.advance(number)
        # Asked once per step: a signal that comes after saving takes effect at the next step.
        stopping = run.stop.reached()
        evaluating = number % section.eval_every == 0 or number == section.steps
        if evaluating or stopping or number % section.checkpoint_every == 0:
            with log.phase("step"):
                figures.read(state)
        if evaluating and not stopping:
            found = _evaluate_and_save(run, state, number, log)
            if found is None:
                return _stopped(run, number, evaluation, log)
            figures.evaluation = evaluation = found
            log.restart_clock(number)
        elif stopping or number % section.checkpoint_every == 0:
            with log.phase("checkpoint"):
                _save(run, state, number, evaluation, unevaluated=evaluating)
            log.restart_clock(number)
        if stopping:
            return _stopped(run, number, evaluation, log)
    return Result(max(first, section.steps), evaluation)


class _Figures:
    """Reads the metrics of a step while the next one runs, so that no device waits."""

    def __init__(self, run: Run, log: TrainingLog, evaluation: dict[str, float]):
        self.evaluation = evaluation
        self._run, self._log = run, log
        self._unread: collections.deque[tuple[int, Any, Any]] = collections.deque()

    def read_later(self, number: int, metrics: dict[str, jax.Array], position: Any) -> None:
        """Queues the metrics of a step, with the position of the input before it."""
        self._unread.append((number, metrics, position))

    def read(self, state: TrainState, *, but: int = 0) -> None:
        """Waits for all queued steps except the last `but`, and reports those that are due.

        Raises:
            DivergenceError: a loss or gradient was not finite; the state before that step is saved.
        """
        section = self._run.config.train
        while len(self._unread) > but:
            number, metrics, position = self._unread.popleft()
            metrics = jax.device_get(metrics)
            if metrics["failed_step"] >= 0:
                _give_up(self._run, state, number, position, self.evaluation)
            if number % section.log_every == 0 or number == section.steps:
                self._log.report_training(
                    number,
                    float(metrics["loss"]),
                    float(metrics["gradient_norm"]),
                    float(self._run.schedule(number - 1)),
                )


def _evaluate_and_save(
    run: Run, state: TrainState, number: int, log: TrainingLog, *, overwrite: bool = False
) -> dict[str, float] | None:
    """Evaluates and saves; returns the agreement, or None if the run is to stop."""
    with log.phase("evaluation"):
        result = evaluate(
            run.score, state.variables(), run.evaluation_pairs, run.mesh, stop=run.stop.reached
        )
    if result is None:
        if not overwrite:
            _save(run, state, number, {}, unevaluated=True)
        return None
    summary = result.summary() if run.held_out else {}
    if summary:
        log.report_evaluation(number, summary)
    with log.phase("checkpoint"):
        _save(run, state, number, summary, result, overwrite=overwrite)
    return summary


def _save(
    run: Run,
    state: TrainState,
    number: int,
    evaluation: dict[str, float],
    scores: Evaluation | None = None,
    *,
    position: Any = None,
    unevaluated: bool = False,
    overwrite: bool = False,
) -> None:
    """Starts saving the state and the metadata of a checkpoint."""
    fitted = None
    if scores is not None and np.isfinite(scores.raw).all() and len(scores.raw) > 2:
        fitted = calibration.fit(
            scores.raw, scores.quality, identity=registry.identity_score(run.model)
        )
    metadata = {
        "step": number,
        "version": __version__,
        "config": run_folder.plain(run.config),
        "input": run.batches.get_state() if position is None else position,
        "evaluation": evaluation,
        "unevaluated": unevaluated,
        "held_out": run.held_out_identity,
        "calibration": fitted.to_dict() if fitted else None,
    }
    metrics = evaluation if scores is not None else None
    run.checkpoints.save(number, state, metadata, metrics or None, overwrite=overwrite)


def _stopped(
    run: Run, number: int, evaluation: dict[str, float], log: TrainingLog, *, saved: bool = True
) -> Result:
    name = run.stop.reached()
    run.checkpoints.close()
    what = f"saved step {number}" if saved else "no step taken yet"
    log.line(f"{name}: {what}; run the same command to continue")
    return Result(number, evaluation, name)


def _give_up(
    run: Run, state: TrainState, failed: int, position: Any, evaluation: dict[str, float]
) -> None:
    """Saves the last good state, which the failed step did not change, and raises."""
    good = dataclasses.replace(state, failed_step=state.failed_step * 0 - 1)
    _save(run, good, failed - 1, evaluation, position=position)
    run.checkpoints.close()
    raise DivergenceError(
        f"the loss or its gradient is not finite at step {failed}; the state after step "
        f"{failed - 1} is kept in {run.workdir / 'checkpoints'}; "
        "try a lower --config.optimizer.learning_rate in a new --workdir"
    )
