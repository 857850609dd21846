"""The parts of a training run: model, data, mesh, compiled functions, checkpoints."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path

import flax.linen as nn
import jax
from ml_collections import ConfigDict

from data_pipelines.device import DevicePrefetcher
from data_pipelines.identity import identity_of_pairs
from data_pipelines.loader import TrainLoader, train_loader
from data_pipelines.sources import PairSource
from gsn_jax import storage
from gsn_jax.devices import distributed
from gsn_jax.errors import InputError
from gsn_jax.training import run_folder
from gsn_jax.training.checkpoints import Checkpoints
from gsn_jax.training.evaluation import RawScores, make_scorer
from gsn_jax.training.interruption import StopRequest
from gsn_jax.training.meshes import divided, make_mesh
from gsn_jax.training.program import Program, make_program, with_frozen_backbone
from gsn_jax.training.sources import open_sources, thin_out
from gsn_jax.training.stored_crops import StoredCrops, stored_loader

# Number of newest checkpoints that are kept besides the best one.
KEPT_CHECKPOINTS = 2

# Without evaluation pairs the calibration is fitted on this many of the training pairs.
CALIBRATION_PAIRS = 256


@dataclasses.dataclass(frozen=True)
class Run(Program):
    """The constant parts of a run.

    Attributes:
        config: see `config`.
        workdir: folder of the run.
        score: see `evaluation.make_scorer`.
        batches: global batches, of which this process reads its share.
        stored: the crops whose features are stored before the first step; None to draw new crops.
        evaluation_pairs: pairs for evaluation or calibration.
        held_out: whether these are excluded from training.
        held_out_identity: changes with the labels and images of all held-out pairs; "" without
            such pairs, and in all processes but the first.
        checkpoints: in `workdir`.
        stop: the request to stop.
    """

    config: ConfigDict
    workdir: Path
    score: RawScores
    batches: DevicePrefetcher
    stored: StoredCrops | None
    evaluation_pairs: PairSource
    held_out: bool
    held_out_identity: str
    checkpoints: Checkpoints
    stop: StopRequest


@contextlib.contextmanager
def open_run(
    config: ConfigDict, workdir: str | os.PathLike[str], stop: StopRequest
) -> Iterator[Run]:
    """Opens the data and the folder; leaving the context waits for pending writes.

    Raises:
        InputError: the configuration or the data are wrong, `workdir` holds a different run, or
            another process has another configuration.
    """
    run_folder.check_same_everywhere(config)
    train_pairs, held_out = open_sources(config.data, config.seed)
    program = make_program(config, make_mesh(fsdp=config.train.fsdp))
    stored = _store(config, program.model, train_pairs, storage.folder(workdir))
    loader = _open_loader(config, train_pairs, stored)
    with (
        run_folder.claimed(workdir, config) as workdir,  # refused runs leave no folder behind
        Checkpoints(workdir / "checkpoints", keep=KEPT_CHECKPOINTS) as checkpoints,
        contextlib.closing(DevicePrefetcher(loader, divided(program.mesh))) as batches,
    ):
        yield Run(
            **vars(program),
            config=config,
            workdir=workdir,
            score=make_scorer(program.model, program.mesh),
            batches=batches,
            stored=stored,
            evaluation_pairs=(
                thin_out(train_pairs, CALIBRATION_PAIRS)
                if held_out is None
                else thin_out(held_out, config.train.eval_pairs)
            ),
            held_out=held_out is not None,
            held_out_identity=_identity(held_out),
            checkpoints=checkpoints,
            stop=stop,
        )


def _identity(held_out: PairSource | None) -> str:
    if held_out is None or not distributed.is_first():
        return ""
    try:
        return identity_of_pairs(held_out)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else "the held-out pairs: "
        raise InputError(f"{where}cannot be read ({error.strerror or error})") from None


def _store(
    config: ConfigDict, model: nn.Module, pairs: PairSource, workdir: Path
) -> StoredCrops | None:
    """The crops whose features are stored, if the configuration asks for it, else None."""
    if not config.data.stored_crops:
        return None
    frozen = with_frozen_backbone(model)
    if jax.process_count() > 1:
        raise InputError("data.stored_crops works in one process only; set it to 0 with several")
    if storage.is_url(config.data.store or workdir):
        raise InputError(
            "data.store: features can only be stored on a disk; name a local folder with "
            "--config.data.store"
        )
    folder = Path(config.data.store) if config.data.store else workdir / "features"
    return StoredCrops(frozen, pairs, config.data, folder, config.seed)


def _open_loader(config: ConfigDict, pairs: PairSource, stored: StoredCrops | None) -> TrainLoader:
    """Loads this process's share of every batch."""
    if stored is not None:
        return stored_loader(stored, pairs, config.data.batch_size, config.seed)
    return train_loader(
        pairs,
        batch_size=config.data.batch_size // jax.process_count(),
        crop_size=config.data.crop_size,
        seed=config.seed,
        flip=True,
        num_workers=config.data.workers,
        process_index=jax.process_index(),
        process_count=jax.process_count(),
    )
