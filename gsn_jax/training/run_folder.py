"""The folder of a run: whose it is, and the model that it ends with.

workdir/config.json     the resolved configuration
workdir/checkpoints/    newest and best checkpoints, one folder per step
workdir/tensorboard/    scalars
workdir/evaluations.csv SRCC, PLCC and main score of every evaluation
workdir/model/          the finished model, what `gsn_jax.load` and the package take

With several processes it is on storage that all of them share; process 0 writes the small files.
"""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from gsn_jax._version import __version__
from gsn_jax.errors import InputError
from gsn_jax.models.folders import read_model, write_model
from gsn_jax.training import config as configs
from gsn_jax.training import distributed


def claim(workdir: str | os.PathLike[str], config: ConfigDict) -> Path:
    """Creates the folder with its configuration, or checks that the run in it is this one.

    Raises:
        InputError: it holds another run, cannot be written, or is not the one that process 0 sees.
    """
    if "://" in str(workdir):
        raise InputError(
            f"--workdir {workdir}: a folder is needed; mount the bucket, e.g. with gcsfuse"
        )
    workdir = Path(workdir)
    after = plain(config)
    file = workdir / "config.json"
    _check_same_run(file, after)
    distributed.wait_for_all("configuration read")
    if distributed.is_first():
        try:
            workdir.mkdir(parents=True, exist_ok=True)
            partial = file.with_suffix(".partial")
            partial.write_text(json.dumps(after, indent=2) + "\n", encoding="utf-8")
            partial.rename(file)
        except OSError as error:
            raise InputError(f"--workdir {workdir}: cannot be written ({error.strerror})") from None
    distributed.wait_for_all("configuration written")
    if not file.exists():
        raise InputError(
            f"--workdir {workdir}: process 0 does not write here; with several processes it must "
            "be on storage that all of them share"
        )
    return workdir


def _check_same_run(file: Path, after: dict[str, Any]) -> None:
    if not file.exists():
        return
    before = json.loads(file.read_text(encoding="utf-8"))
    changed = configs.changed_keys(before, after)
    if changed:
        raise InputError(
            f"{file.parent} holds a run with another {', '.join(changed[:5])}"
            + (f" and {len(changed) - 5} more" if len(changed) > 5 else "")
            + "; choose a new --workdir, or use that run's configuration"
        )


def finish(workdir: Path) -> None:
    """Writes the best checkpoint as a model folder; all processes call it."""
    best = read_model(workdir)
    write_model(workdir / "model", dataclasses.replace(best, version=__version__))


def plain(config: ConfigDict) -> dict[str, Any]:
    """A configuration as JSON-able dicts and lists."""
    return json.loads(config.to_json())
