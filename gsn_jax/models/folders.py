"""A trained model as a folder: its parameters (Orbax) and a description (JSON).

    model.json   format, name, version, configuration, calibration, training record
    variables/   parameters; large kernels may be stored as bytes, see `gsn_jax.models.compression`
    card.md      the model card, for people: training data, recipe, results, limits; optional
    SHA256SUMS   checksums of the description and the parameters; absent in buckets and in older
                 folders

Nothing in it is executable: the arrays are read by Orbax, the rest is JSON and Markdown.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from pathlib import Path
from typing import Any

import jax
import numpy as np

from gsn_jax import storage
from gsn_jax._version import __version__
from gsn_jax.devices import distributed
from gsn_jax.errors import InputError
from gsn_jax.models import checksums
from gsn_jax.models.calibration import Calibration
from gsn_jax.models.compression import compress, expand

# Incremented with every change to the layout of the parameters or the description.
FORMAT = 3

DESCRIPTION, CARD = "model.json", "card.md"

# What a description must hold, and its types.
_KINDS: dict[str, type | tuple[type, ...]] = {
    "version": str,
    "model": dict,
    "calibration": (dict, type(None)),
    "training": dict,
}


@dataclasses.dataclass(frozen=True)
class TrainedModel:
    """Contents of a model folder or a training checkpoint.

    Attributes:
        config: the section `model` of the configuration.
        variables: `{"params": ...}`.
        calibration: maps raw scores to quality; None if none could be fitted.
        training: configuration, step and results of the training, for people.
        version: the model's version; models with different scores have different versions.
        card: the model card in Markdown, "" if there is none.
    """

    config: dict[str, Any]
    variables: dict[str, Any]
    calibration: Calibration | None
    training: dict[str, Any]
    version: str
    card: str = ""


def write_model(
    directory: str | os.PathLike[str], model: TrainedModel, *, compressed: bool = False
) -> None:
    """Writes a model folder; an existing one is replaced once the new one is complete.

    If several processes run together, all of them must call it.

    Args:
        directory: the folder.
        model: what to write.
        compressed: whether large kernels are stored as bytes, with a small loss; see
            `gsn_jax.models.compression`. Central difference kernels must be folded first.

    Raises:
        InputError: a folder or file of that name exists and is not a model.
    """
    from orbax.checkpoint import v1 as ocp

    target = storage.folder(directory)
    # A folder in a bucket cannot be renamed atomically. There the description is written last:
    # without it, the folder is not a model.
    partial = target if storage.is_url(target) else target.with_name(target.name + ".partial")
    first = jax.process_index() == 0
    if first:
        if target.exists() and not _is_replaceable(target):
            raise InputError(
                f"{target}: exists and is not a model; remove it, or choose another folder"
            )
        _clear(partial)
    distributed.wait_for_all("model folder made")
    params = model.variables["params"]
    params = compress(params) if compressed else params
    ocp.save(partial / "variables", {"params": jax.tree.map(np.asarray, params)})
    if first:
        _describe(partial, model)
        if partial != target:
            parameters = checksums.files_below(partial / "variables")
            checksums.write_checksums(partial, [partial / DESCRIPTION, *parameters])
            shutil.rmtree(target, ignore_errors=True)
            partial.rename(target)
    distributed.wait_for_all("model written")


def _clear(folder: Path) -> None:
    """Leaves an empty folder; in a bucket, none."""
    if not storage.is_url(folder):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    elif folder.exists():
        (folder / DESCRIPTION).unlink(missing_ok=True)
        folder.rmtree()  # type: ignore[attr-defined]


def _is_replaceable(target: Path) -> bool:
    """Whether a folder is empty or that of a model, complete or not."""
    return target.is_dir() and (
        (target / DESCRIPTION).is_file()
        or (target / "variables").is_dir()
        or not any(target.iterdir())
    )


def _describe(partial: Path, model: TrainedModel) -> None:
    marker = partial / "variables" / "commit_success.txt"
    if marker.exists() and not storage.is_url(partial):  # its text names the partial folder
        marker.write_text("complete\n", encoding="utf-8")
    description = {
        "format": FORMAT,
        "version": model.version,
        "package_version": __version__,
        "model": model.config,
        "calibration": model.calibration.to_dict() if model.calibration else None,
        "training": model.training,
    }
    text = json.dumps(description, indent=2, sort_keys=True)
    if model.card:
        (partial / CARD).write_text(model.card, encoding="utf-8")
    (partial / DESCRIPTION).write_text(text + "\n", encoding="utf-8")


def read_model(directory: str | os.PathLike[str]) -> TrainedModel:
    """Reads a model folder, a training checkpoint, or the best checkpoint of a run's folder.

    Raises:
        InputError: the folder is none of these, cannot be read, or has a file that differs from
            its checksum.
    """
    folder = storage.folder(directory)
    if not folder.is_dir():
        what = "is a file, not a folder" if folder.exists() else "no such folder"
        raise InputError(f"{directory}: {what}; give the folder of a model or of a training run")
    try:
        if (folder / DESCRIPTION).is_file():
            _refuse(folder, checksums.find_damage(folder))
            return _read_folder(folder)
        return _read_checkpoint(folder)
    except InputError:
        raise
    except Exception as error:  # damage may raise anything
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise InputError(f"{directory}: cannot be read as a model ({reason[0]})") from error


def _refuse(folder: Path, damage: str | None) -> None:
    if damage:
        raise InputError(f"{folder}: damaged ({damage}); copy, install or train the model again")


def _read_folder(folder: Path) -> TrainedModel:
    from orbax.checkpoint import v1 as ocp

    description = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
    if not isinstance(description, dict):
        raise InputError(f"{folder / DESCRIPTION}: damaged; copy, install or train the model again")
    if description.get("format") != FORMAT:
        written = description.get("package_version", "of unknown version")
        raise InputError(
            f"{folder}: model format {description.get('format')!r}, written by gsn_jax {written}; "
            f"this version reads format {FORMAT}: use that version, or train the model again"
        )
    for name, kinds in _KINDS.items():
        if not isinstance(description.get(name), kinds):
            raise InputError(
                f"{folder / DESCRIPTION}: damaged ({name!r} is missing or of the wrong type); "
                "copy, install or train the model again"
            )
    saved = ocp.metadata(folder / "variables").metadata
    abstract = jax.tree.map(lambda leaf: np.empty(leaf.shape, leaf.dtype), saved)
    calibration, card = description["calibration"], folder / CARD
    readable = card.is_file() and (storage.is_url(card) or not card.is_symlink())
    return TrainedModel(
        config=description["model"],
        variables=expand(ocp.load(folder / "variables", abstract)),
        calibration=Calibration.from_dict(calibration) if calibration is not None else None,
        training=description["training"],
        version=description["version"],
        card=card.read_text(encoding="utf-8") if readable else "",
    )


def _read_checkpoint(folder: Path) -> TrainedModel:
    from gsn_jax.models import run_checkpoints as checkpoints

    checkpoints.quiet_orbax()
    step_folder = folder
    run = folder / "checkpoints" if (folder / "checkpoints").is_dir() else folder
    if run != folder or any(child.name.isdigit() for child in run.iterdir()):
        step = checkpoints.best_step(run)
        if step is None:
            raise InputError(f"{folder}: contains no complete checkpoint; continue the training")
        step_folder = run / str(step)
    _refuse(step_folder, checkpoints.find_damage(step_folder))
    try:
        metadata = checkpoints.read_metadata(step_folder)
    except Exception:
        raise InputError(
            f"{folder}: not a model, training run or checkpoint; give the folder of one of these"
        ) from None
    calibration = metadata.get("calibration")
    return TrainedModel(
        config=metadata["config"]["model"],
        variables=checkpoints.read_variables(step_folder),
        calibration=Calibration.from_dict(calibration) if calibration is not None else None,
        training={name: metadata.get(name) for name in ("config", "step", "evaluation")},
        version=f"step-{metadata.get('step')}",
    )
