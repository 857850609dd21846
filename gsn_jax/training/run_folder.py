"""The folder of a run: its configuration, its lock, and the finished model.

workdir/config.json     the resolved configuration
workdir/checkpoints/    newest and best checkpoints, one folder per step
workdir/tensorboard/    scalars
workdir/evaluations.csv SRCC, PLCC and main score of every evaluation
workdir/tracking_id.txt the id under which Weights & Biases and MLflow know the run
workdir/model/          the finished model, for `gsn_jax.load`

Several processes need storage that all of them share; process 0 writes the small files. The folder
may be in a bucket, see `gsn_jax.storage`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from gsn_jax import storage
from gsn_jax._version import __version__
from gsn_jax.devices import distributed
from gsn_jax.errors import InputError, disk_failure
from gsn_jax.models.folders import read_model, write_model
from gsn_jax.storage import exclusive, write_text
from gsn_jax.training import config as configs

_LONGEST_CHECK = 10.0  # seconds that the processes of a group take to look at the lock


@contextlib.contextmanager
def claimed(workdir: str | os.PathLike[str], config: ConfigDict) -> Iterator[Path]:
    """Creates the folder with its configuration, or checks that it belongs to the same run.

    Holds a lock, so that two trainings cannot run in one folder at the same time. Storage without
    locks (buckets, some network storage) is not protected.

    Raises:
        InputError: another training is running in the folder, or the folder belongs to another run,
            cannot be written, or is not the one that process 0 writes to.
    """
    workdir = storage.folder(workdir) if storage.is_url(workdir) else Path(workdir)
    after = plain(config)
    file = workdir / "config.json"
    _check_same_run(file, after)
    distributed.wait_for_all("configuration read")
    with _lock(workdir):
        if distributed.is_first():
            try:
                write_text(file, json.dumps(after, indent=2) + "\n")
            except OSError as error:
                raise _unwritable(workdir, error) from None
        distributed.wait_for_all("configuration written")
        if not file.exists():
            raise InputError(
                f"--workdir {workdir}: not the folder that process 0 writes to; choose one on "
                "storage that all processes share"
            )
        yield workdir


def check_same_everywhere(config: ConfigDict) -> None:
    """Checks that all processes of a run have the same configuration.

    Raises:
        InputError: they differ; raised in every process.
    """
    values = plain(config)
    digest = hashlib.sha256(json.dumps(values, sort_keys=True).encode()).digest()
    other = distributed.differing(digest)
    if other:
        raise InputError(
            f"the configuration of process {', '.join(map(str, other))} differs from that of "
            "process 0; start all processes with the same command and the same files"
        )


def check_not_running(workdir: str | os.PathLike[str]) -> None:
    """Refuses to join a group that is already training: joining would end the run in all processes.

    Call this before the processes connect, because afterwards process 0 holds the lock.

    Raises:
        InputError: a training is running in the folder.
    """
    file = Path(workdir) / ".lock"
    if storage.is_url(workdir) or not file.exists():
        return
    # Waits, because all processes of the group hold the lock for a moment. Process 0 reports a
    # folder that cannot be written.
    refusal = _running(Path(workdir))
    with contextlib.suppress(OSError), exclusive(file, refusal, wait=_LONGEST_CHECK):
        pass


def _running(workdir: Path) -> str:
    return (
        f"--workdir {workdir}: another training is running in this folder; wait for it, or "
        "choose a new --workdir"
    )


@contextlib.contextmanager
def _lock(workdir: Path) -> Iterator[None]:
    """Process 0 holds the lock; all processes raise `InputError` if it is refused."""
    if storage.is_url(workdir):
        yield
        return
    refused = False
    with contextlib.ExitStack() as stack:
        if distributed.is_first():
            try:
                workdir.mkdir(parents=True, exist_ok=True)
                stack.enter_context(exclusive(workdir / ".lock", _running(workdir)))
            except InputError:
                refused = True
            except OSError as error:
                raise _unwritable(workdir, error) from None
        if distributed.anywhere(refused):
            raise InputError(_running(workdir))
        yield


def why_unwritable(workdir: str | os.PathLike[str], error: Exception) -> str | None:
    """Why the folder can no longer be written, if that is what the error says, else None."""
    if storage.is_url(workdir):
        return disk_failure(error)
    folder = Path(workdir).absolute()
    file = getattr(error, "filename", None)  # relative if the folder was given so
    concerned = str(folder) in str(error) or (
        isinstance(file, str | os.PathLike) and Path(file).absolute().is_relative_to(folder)
    )
    if concerned and not (folder / "config.json").is_file():
        return "the folder has been removed"
    return disk_failure(error)


def _unwritable(workdir: Path, error: OSError) -> InputError:
    return InputError(f"--workdir {workdir}: cannot be written ({error.strerror})")


def read_config(file: Path) -> dict[str, Any]:
    """The configuration of a run, from its `config.json`.

    Raises:
        InputError: the file cannot be read, or is damaged, for example by a power cut.
    """
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(config, dict) or set(configs.FIXED_SECTIONS) - set(config):
            raise ValueError("sections are missing")
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror})") from None
    except ValueError:
        raise InputError(
            f"{file}: damaged, or not the configuration of a run; remove this file to continue "
            "the run with the configuration you give, or choose a new --workdir"
        ) from None
    return config


def _check_same_run(file: Path, after: dict[str, Any]) -> None:
    if not file.exists():
        model = file.parent / "model"
        if model.exists() and not (file.parent / "checkpoints").is_dir():
            raise InputError(f"{model}: exists, but no run wrote it; choose a new --workdir")
        return
    changed = configs.changed_keys(read_config(file), after)
    if changed:
        raise InputError(
            f"{file.parent}: contains a run with a different {', '.join(changed[:5])}"
            + (f" and {len(changed) - 5} more" if len(changed) > 5 else "")
            + "; choose a new --workdir, or use that run's configuration"
        )


def finish(workdir: Path) -> None:
    """Writes the best checkpoint as a model folder; every process must call it."""
    best = read_model(workdir)
    write_model(workdir / "model", dataclasses.replace(best, version=__version__))


def plain(config: ConfigDict) -> dict[str, Any]:
    """A configuration as dicts and lists for JSON."""
    return json.loads(config.to_json())
