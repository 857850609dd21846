"""The training run: from a configuration and a folder to a trained model in it.

workdir/config.json     the resolved configuration
workdir/checkpoints/    newest and best checkpoints, one folder per step
workdir/tensorboard/    scalars
workdir/model/          the finished model, what `gsn_jax.load` and the package take
"""

from __future__ import annotations

import dataclasses
import functools
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import numpy as np
from ml_collections import ConfigDict

from data_pipelines.loader import TrainLoader, train_loader
from data_pipelines.sources import PairSource
from gsn_jax import calibration, models
from gsn_jax._version import __version__
from gsn_jax.errors import InputError
from gsn_jax.model_files import read_model, write_model
from gsn_jax.training import config as configs
from gsn_jax.training.checkpoints import Checkpoints
from gsn_jax.training.evaluation import Evaluation, RawScores, evaluate, make_scorer
from gsn_jax.training.interruption import StopRequest
from gsn_jax.training.meshes import divided, make_mesh, replicated
from gsn_jax.training.optimizers import make_optimizer
from gsn_jax.training.progress import TrainingLog
from gsn_jax.training.sources import open_sources, thin_out
from gsn_jax.training.state import TrainState, create_state
from gsn_jax.training.step import make_loss, make_train_step

# Without evaluation pairs the calibration is fitted on this many of the training pairs.
CALIBRATION_PAIRS = 256


class DivergenceError(RuntimeError):
    """The loss or its gradient became NaN or infinite; `str(error)` is one line for the user."""


@dataclasses.dataclass(frozen=True)
class Result:
    """How a run ended.

    Attributes:
        step: number of updates done.
        evaluation: SRCC, PLCC and main score at the end; {} without evaluation pairs.
        stopped_by: name of the signal that ended the run early; None where it is finished.
    """

    step: int
    evaluation: dict[str, float]
    stopped_by: str | None = None


@dataclasses.dataclass(frozen=True)
class _Run:
    """What stays the same from the first step to the last."""

    config: ConfigDict
    workdir: Path
    model: nn.Module
    step: Callable
    score: RawScores
    schedule: Callable
    loader: TrainLoader
    evaluation_pairs: PairSource
    held_out: bool
    checkpoints: Checkpoints


def train(config: ConfigDict, workdir: str | os.PathLike[str]) -> Result:
    """Trains a model, or continues where the run in `workdir` ended.

    A run that was stopped at any point and continued ends with the parameters, bit by bit, of one
    that was not (on one kind of device). SIGTERM and SIGINT save and end the run between two steps.

    Args:
        config: see `gsn_jax.training.config`.
        workdir: folder of the run; created.

    Raises:
        InputError: the configuration or the data are wrong, or `workdir` holds a different run.
        DivergenceError: a loss was not finite; the state before that step is saved.
    """
    workdir = Path(workdir)
    train_pairs, held_out = open_sources(config.data)
    mesh = make_mesh()
    if config.data.batch_size % mesh.size:
        raise InputError(
            f"data.batch_size {config.data.batch_size} cannot be divided over {mesh.size} devices"
        )
    model = models.build(config.model)
    optimizer, schedule = make_optimizer(config.optimizer, config.train.steps)
    loader = train_loader(
        train_pairs,
        batch_size=config.data.batch_size,
        crop_size=config.data.crop_size,
        seed=config.seed,
        flip=config.data.flip,
        num_workers=config.data.workers,
    )
    _claim(workdir, config)
    create = jax.jit(
        functools.partial(
            create_state,
            model,
            optimizer,
            crop_size=config.data.crop_size,
            ema=bool(config.optimizer.ema),
        ),
        out_shardings=replicated(mesh),
        compiler_options=_run_once_options(mesh),
    )
    with Checkpoints(workdir / "checkpoints", keep=config.train.keep) as checkpoints:
        run = _Run(
            config=config,
            workdir=workdir,
            model=model,
            step=make_train_step(
                model, optimizer, make_loss(config.loss), mesh, ema_decay=config.optimizer.ema
            ),
            score=make_scorer(model),
            schedule=schedule,
            loader=loader,
            evaluation_pairs=(
                thin_out(train_pairs, CALIBRATION_PAIRS)
                if held_out is None
                else thin_out(held_out, config.train.eval_pairs)
            ),
            held_out=held_out is not None,
            checkpoints=checkpoints,
        )
        try:
            return _continue(run, create, mesh)
        finally:
            loader.close()


def _run_once_options(mesh: jax.sharding.Mesh) -> dict[str, int] | None:
    """For what runs once: on a CPU optimising it takes several times as long as running it."""
    on_cpu = mesh.devices.flat[0].platform == "cpu"
    return {"xla_backend_optimization_level": 0} if on_cpu else None


def _continue(
    run: _Run, create: Callable[[jax.Array], TrainState], mesh: jax.sharding.Mesh
) -> Result:
    """Restores what there is and runs to the end, to a signal or to a loss that is not finite."""
    config, first, evaluation = run.config, 0, {}
    key = jax.random.key(config.seed)
    restored = run.checkpoints.restore(jax.eval_shape(create, key), replicated(mesh))
    if restored is None:
        state = create(key)
    else:
        state, metadata = restored
        run.loader.set_state(metadata["input"])
        first, evaluation = int(state.step), metadata["evaluation"]
    sharding = divided(mesh)
    total = config.train.steps
    log = TrainingLog(run.workdir, first_step=first, steps=total, batch_size=config.data.batch_size)
    with StopRequest() as stop, log:
        if restored is not None:
            log.line(f"continuing from the checkpoint at step {first}")
        position = run.loader.get_state()
        for number in range(first + 1, total + 1):
            batch = jax.make_array_from_process_local_data(sharding, next(run.loader))
            state, metrics = run.step(state, batch)
            # This waits for the step; the loader's threads prepare the next batch meanwhile.
            if int(metrics["failed_step"]) >= 0:
                _give_up(run, state, position, evaluation)
            position = run.loader.get_state()
            log.advance(number)
            if number % config.train.log_every == 0 or number == total:
                log.report_training(
                    number,
                    float(metrics["loss"]),
                    float(metrics["gradient_norm"]),
                    float(run.schedule(number - 1)),
                )
            # Asked once: a signal that comes after the saving must wait for the next step's.
            stopped_by = stop.requested
            if number % config.train.eval_every == 0 or number == total:
                evaluation = _evaluate_and_save(run, state, position, log)
                log.restart_clock(number)
            elif number % config.train.checkpoint_every == 0 or stopped_by:
                run.checkpoints.save(state, _metadata(run, state, position, evaluation, None))
                log.restart_clock(number)
            if stopped_by and number < total:
                log.line(f"{stopped_by}: saved step {number}; run the same command to continue")
                return Result(number, evaluation, stopped_by)
    run.checkpoints.close()
    _write_model(run)
    return Result(total, evaluation)


def _evaluate_and_save(
    run: _Run, state: TrainState, position: dict[str, Any], log: TrainingLog
) -> dict[str, float]:
    result = evaluate(run.score, state.variables(), run.evaluation_pairs)
    summary = result.summary() if run.held_out else {}
    if summary:
        log.report_evaluation(int(state.step), summary)
    run.checkpoints.save(
        state,
        _metadata(run, state, position, summary, result),
        metrics=summary or None,
    )
    return summary


def _metadata(
    run: _Run,
    state: TrainState,
    position: dict[str, Any],
    evaluation: dict[str, float],
    scores: Evaluation | None,
) -> dict[str, Any]:
    """What a checkpoint holds beside the arrays."""
    fitted = None
    if scores is not None and np.isfinite(scores.raw).all() and len(scores.raw) > 2:
        fitted = calibration.fit(
            scores.raw, scores.quality, identity=models.identity_score(run.model)
        )
    return {
        "step": int(state.step),
        "version": __version__,
        "config": plain(run.config),
        "input": position,
        "evaluation": evaluation,
        "calibration": fitted.to_dict() if fitted else None,
    }


def _give_up(
    run: _Run, state: TrainState, position: dict[str, Any], evaluation: dict[str, float]
) -> None:
    """Saves the last good state, which the failed step left as it was, and says what happened."""
    failed = int(state.failed_step)
    good = state.replace(failed_step=state.failed_step * 0 - 1)
    run.checkpoints.save(good, _metadata(run, good, position, evaluation, None))
    raise DivergenceError(
        f"the loss or its gradient is not finite at step {failed}; the state after step "
        f"{failed - 1} is kept in {run.workdir / 'checkpoints'}; "
        "try a lower --config.optimizer.learning_rate in a new --workdir"
    )


def _claim(workdir: Path, config: ConfigDict) -> None:
    """Creates the folder with its configuration, or checks that the run in it is this one."""
    file = workdir / "config.json"
    after = plain(config)
    if file.exists():
        before = json.loads(file.read_text(encoding="utf-8"))
        changed = configs.changed_keys(before, after)
        if changed:
            raise InputError(
                f"{workdir} holds a run with another {', '.join(changed[:5])}"
                + (f" and {len(changed) - 5} more" if len(changed) > 5 else "")
                + "; choose a new --workdir, or use that run's configuration"
            )
    try:
        workdir.mkdir(parents=True, exist_ok=True)
        partial = file.with_suffix(".partial")
        partial.write_text(json.dumps(after, indent=2) + "\n", encoding="utf-8")
        partial.rename(file)
    except OSError as error:
        raise InputError(f"--workdir {workdir}: cannot be written ({error.strerror})") from None


def _write_model(run: _Run) -> None:
    """The best checkpoint as a model folder."""
    best = read_model(run.workdir)
    write_model(run.workdir / "model", dataclasses.replace(best, version=__version__))


def plain(config: ConfigDict) -> dict[str, Any]:
    """A configuration as JSON-able dicts and lists."""
    return json.loads(config.to_json())
