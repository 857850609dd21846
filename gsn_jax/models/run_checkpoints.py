"""Reading the checkpoints of a training run; `gsn_jax.training.checkpoints` writes them."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
from orbax.checkpoint import v1 as ocp

# Raised with every change of a checkpoint's arrays or metadata.
FORMAT = 2


def best_step(directory: str | os.PathLike[str]) -> int | None:
    """Step of the best evaluated checkpoint in a folder, else of the newest; None without any."""
    with ocp.training.Checkpointer(Path(directory).absolute()) as checkpointer:
        checkpoints = checkpointer.checkpoints
    evaluated = [checkpoint for checkpoint in checkpoints if checkpoint.metrics]
    if evaluated:
        return max(evaluated, key=lambda checkpoint: ranking(checkpoint.metrics)).step
    return checkpoints[-1].step if checkpoints else None


def ranking(metrics: Mapping[str, float]) -> float:
    """The number by which checkpoints are ranked, larger = better: the evaluation's SRCC."""
    value = float(metrics["srcc"])
    return value if math.isfinite(value) else -1.0


def read_metadata(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Metadata of one checkpoint: `config`, `input`, `calibration`, `evaluation`, `version`.

    `unevaluated` says that the run was stopped during the evaluation due at this step.

    Raises:
        ValueError: the folder is not a checkpoint of this version's trainer.
    """
    metadata = ocp.checkpointables_metadata(Path(path).absolute()).custom_metadata
    if not isinstance(metadata, dict) or metadata.get("format") != FORMAT:
        raise ValueError(f"{path}: not a checkpoint of this trainer (format {FORMAT})")
    return metadata


def read_variables(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The model's variables in one checkpoint, averaged parameters where there are any.

    As NumPy arrays, whatever devices they were saved from.
    """
    folder = Path(path).absolute()
    saved = ocp.checkpointables_metadata(folder).metadata["model"]
    abstract = jax.tree.map(lambda leaf: np.empty(leaf.shape, leaf.dtype), saved)
    model = ocp.load(folder, abstract, checkpointable_name="model")
    return {"params": model["ema"] or model["params"]}


def quiet_orbax() -> None:
    """Silences Orbax's log of every phase of every save, except for errors."""
    logging.getLogger("absl").setLevel(logging.ERROR)
