"""Reading the checkpoints of a training run; `gsn_jax.training.checkpoints` writes them."""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
from orbax.checkpoint import v1 as ocp

from gsn_jax import storage
from gsn_jax.models import checksums

# Incremented with every change to the layout of a checkpoint's arrays or metadata.
FORMAT = 2

# Orbax's small files in a checkpoint, both JSON.
_METADATA, _METRICS = "_CHECKPOINT_METADATA", "metrics/metrics"


def best_step(directory: str | os.PathLike[str]) -> int | None:
    """Step of the best evaluated checkpoint in a folder, or else of the newest; None if empty."""
    with ocp.training.Checkpointer(storage.folder(directory)) as checkpointer:
        checkpoints = checkpointer.checkpoints
    evaluated = [checkpoint for checkpoint in checkpoints if checkpoint.metrics]
    if evaluated:
        return max(evaluated, key=lambda checkpoint: ranking(checkpoint.metrics)).step
    return checkpoints[-1].step if checkpoints else None


def ranking(metrics: Mapping[str, float]) -> float:
    """The number by which checkpoints are ranked, larger = better: the evaluation's SRCC."""
    value = float(metrics["srcc"])
    return value if math.isfinite(value) else -1.0


def rank_of(path: str | os.PathLike[str]) -> float:
    """The `ranking` of a checkpoint, which may be damaged.

    Infinity if its metrics cannot be read, as it may be the best; minus infinity if it has none.
    """
    try:
        return ranking(json.loads((storage.folder(path) / _METRICS).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return -math.inf
    except Exception:  # damage may raise anything
        return math.inf


def read_metadata(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Metadata of one checkpoint: `step`, `config`, `input`, `calibration`, `evaluation`, etc.

    `unevaluated` says whether the run was stopped during the evaluation due at this step.

    Raises:
        ValueError: the folder is not a checkpoint of this version's trainer.
    """
    metadata = ocp.checkpointables_metadata(storage.folder(path)).custom_metadata
    if not isinstance(metadata, dict) or metadata.get("format") != FORMAT:
        raise ValueError(f"{path}: not a checkpoint of this trainer (format {FORMAT})")
    return metadata


def read_variables(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The model's variables in one checkpoint, with averaged parameters if there are any.

    They are NumPy arrays, whatever devices they were saved from.
    """
    folder = storage.folder(path)
    saved = ocp.checkpointables_metadata(folder).metadata["model"]
    abstract = jax.tree.map(lambda leaf: np.empty(leaf.shape, leaf.dtype), saved)
    model = ocp.load(folder, abstract, checkpointable_name="model")
    return {"params": model["ema"] or model["params"]}


def seal(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Metadata of a checkpoint, with format and checksum added.

    They carry their own checksum, because Orbax completes their file after the checksums of the
    other files are taken.
    """
    content = {"format": FORMAT, **metadata}
    return {**content, "sha256": _digest(content)}


def write_checksums(directory: str | os.PathLike[str]) -> None:
    """Writes the checksums of a checkpoint whose arrays are complete, before it is put in place.

    Args:
        directory: the folder of all checkpoints.
    """
    for step in Path(directory).glob("*.orbax-checkpoint-tmp"):
        parts = [part for part in step.iterdir() if part.is_dir()]
        files = [file for part in parts for file in checksums.files_below(part)]
        checksums.write_checksums(step, files)


def find_damage(path: str | os.PathLike[str]) -> str | None:
    """Says what is damaged in a checkpoint's folder; None if nothing is.

    Checkpoints of older versions have no checksums; of these, only the small files are checked.
    """
    folder = storage.folder(path)
    damage = checksums.find_damage(folder)
    if damage:
        return damage
    for name in (_METADATA, _METRICS):
        try:
            content = json.loads((folder / name).read_text(encoding="utf-8"))
        except FileNotFoundError:
            continue
        except (OSError, ValueError):
            return f"{name} is damaged"
        if not isinstance(content, dict):
            return f"{name} is damaged"
        sealed = name == _METADATA and (folder / checksums.NAME).is_file()
        if sealed and not _is_intact(content.get("custom_metadata")):
            return f"{name} is damaged"
    if (folder / _METADATA).is_file():
        try:
            ocp.checkpointables_metadata(folder)
        except Exception:  # damage may raise anything
            return f"{_METADATA} is damaged"
    return None


def _is_intact(metadata: Any) -> bool:
    """Whether the metadata have the checksum that `seal` gave them."""
    if not isinstance(metadata, dict):
        return False
    content = {name: value for name, value in metadata.items() if name != "sha256"}
    return metadata.get("sha256") == _digest(content)


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def quiet_orbax() -> None:
    """Silences Orbax's log of every phase of every save, and of errors, which it also raises."""
    logging.getLogger("absl").setLevel(logging.CRITICAL)
