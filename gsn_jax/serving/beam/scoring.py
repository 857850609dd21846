"""Scores a table with a pipeline, into a folder of Parquet files that appear all at once."""

from __future__ import annotations

import contextlib
import dataclasses
import heapq
import json
import os
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute
import pyarrow.parquet
from apache_beam.io.filesystems import FileSystems

from gsn_jax import storage
from gsn_jax.errors import InputError
from gsn_jax.images import pair_tables
from gsn_jax.scoring import by_name, tables
from gsn_jax.scoring.protocol import described
from gsn_jax.serving.beam import exclusion, files, runners
from gsn_jax.serving.beam.pipeline import SHARD, Job
from gsn_jax.serving.beam.worker import Settings

# Names in the output folder. Readers of Parquet folders ignore names that begin with "_".
SUMMARY = "_summary.json"
_UNFINISHED = "_unfinished"

# The most bad pairs that a summary lists.
_NAMED = 10


@dataclasses.dataclass(frozen=True)
class Summary:
    """The outcome of a finished run.

    Attributes:
        rows: number of pairs in the table.
        bad: number of pairs that could not be scored.
        errors: errors of the first of those pairs.
        files: names of the Parquet files.
        versions: versions of the package and the models.
        protocol: see `gsn_jax.scoring.protocol.described`.
    """

    rows: int
    bad: int
    errors: list[str]
    files: list[str]
    versions: dict[str, str]
    protocol: dict[str, Any]


def score_table(
    table: str,
    out: str,
    settings: Settings,
    flags: Sequence[str] = (),
    say: Callable[[str], None] = lambda _: None,
) -> Summary:
    """Scores the pairs of a table into `out/scores-*.parquet`, and `out/_summary.json`.

    The files have the columns row (from 0, in the table's order), reference, distorted, one per
    metric, error, versions and protocol. They appear once they hold every row of the table exactly
    once. Until then, `out/_unfinished` holds the scores so far, and the same call continues from
    them.

    Args:
        table: a pairs table; a path, or a URL of a file system that Beam knows.
        out: a folder, likewise; it is new or belongs to an unfinished run.
        settings: metrics and options.
        flags: Beam's options, see `gsn_jax.serving.beam.runners.parse_options`.
        say: called with messages for the user.

    Raises:
        InputError: the table cannot be read or names masks, the folder has other files or a
            finished run, another run is writing it, or the pipeline has failed.
    """
    if not storage.is_url(out):
        out = str(Path(out).absolute())
    table = table if storage.is_url(table) else str(Path(table).absolute())
    unfinished = files.join(out, _UNFINISHED)
    metrics = by_name.resolve_all(settings.metrics, settings.checkpoint)
    with files.local_copy(table) as path:  # find errors in it before machines are started
        count = 0
        for row in pair_tables.read_rows(path):
            if row.fields.get("mask"):
                raise InputError(
                    f"{table}: --runner beam does not support masks; remove the column mask"
                )
            count += 1
    columns = [metric.name for metric in metrics]
    kept, shards = (files.join(unfinished, name) for name in ("units", _new_name()))
    job = Job(table, settings, columns, kept, shards)
    _refuse_taken(out)
    with _alone(out):
        _claim(out)
        written = runners.run(job, flags, say)
        made = [path for path in files.listing(written) if _is_shard(written, path)]
        bad, errors = _check(made, count)
        protocol = described(settings.protocol, settings.loading)
        summary = Summary(count, bad, errors, [], tables.versions(metrics), protocol)
        return _publish(out, made, summary)


def _new_name() -> str:
    return f"shards-{uuid.uuid4().hex[:8]}"


def _is_shard(folder: str, path: str) -> bool:
    """False for files in subfolders, where Beam may leave output of failed workers."""
    return os.path.dirname(path) == folder and path.endswith(".parquet")


def _publish(out: str, made: Sequence[str], summary: Summary) -> Summary:
    """Moves the shards into the output folder, and writes the summary with their names."""
    names = [f"{SHARD}-{index:05d}-of-{len(made):05d}.parquet" for index in range(len(made))]
    summary = dataclasses.replace(summary, files=names)
    with _writing(out):
        FileSystems.rename(made, [files.join(out, name) for name in names])
        files.write(files.join(out, SUMMARY), json.dumps(dataclasses.asdict(summary), indent=2))
        files.remove(files.join(out, _UNFINISHED))
    return summary


@contextlib.contextmanager
def _alone(out: str) -> Iterator[None]:
    """Admits one run at a time to the output folder while the context lasts."""
    unfinished = files.join(out, _UNFINISHED)
    with contextlib.ExitStack() as lock:
        with _writing(out):
            if not storage.is_url(out):
                os.makedirs(unfinished, exist_ok=True)
            lock.enter_context(exclusion.alone(unfinished))
        yield


def _refuse_taken(out: str) -> list[str]:
    """The files of a folder that is new or belongs to an unfinished run.

    Raises:
        InputError: it is neither.
    """
    if not storage.is_url(out) and Path(out).exists() and not Path(out).is_dir():
        raise InputError(f"{out}: is a file; --runner beam writes a folder of Parquet files")
    present = files.listing(out)
    if files.join(out, SUMMARY) in present:
        raise InputError(f"{out}: contains the scores of a finished run; name another folder")
    begun = files.join(out, _UNFINISHED, "")
    if present and not any(path.startswith(begun) for path in present):
        raise InputError(
            f"{out}: contains other files ({Path(present[0]).name}); name a new folder"
        )
    return present


def _claim(out: str) -> None:
    """Marks the folder as taken, and deletes files that an earlier run left outside its units.

    Raises:
        InputError: there are files that no run wrote.
    """
    present = _refuse_taken(out)  # again, since another run may have just finished
    unfinished = files.join(out, _UNFINISHED)
    shard, begun = files.join(out, f"{SHARD}-"), files.join(unfinished, "")
    foreign = [
        path
        for path in present
        if not path.startswith(begun) and not (path.startswith(shard) and path.endswith(".parquet"))
    ]
    if foreign:
        raise InputError(
            f"{out}: contains other files ({Path(foreign[0]).name}); move them, or name a new "
            "folder"
        )
    claim = files.join(unfinished, "README.txt")
    kept = claim, files.join(unfinished, "units", ""), files.join(unfinished, exclusion.RUNNING)
    with _writing(out):
        if claim not in present:
            files.write(claim, "Scores of an unfinished run of gsn score --runner beam.\n")
        stale = [path for path in present if not path.startswith(kept)]
        if stale:
            FileSystems.delete(stale)


@contextlib.contextmanager
def _writing(out: str) -> Iterator[None]:
    try:
        yield
    except InputError as error:
        raise InputError(f"{out}: {error}") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{out}: cannot be written ({reason})") from None


def _check(shards: Sequence[str], count: int) -> tuple[int, list[str]]:
    """Checks that the shards hold every row once; counts bad pairs and lists their first errors.

    Raises:
        InputError: the shards lack a row or hold one twice.
    """
    rows: list[np.ndarray] = [np.zeros(0, np.int64)]
    bad = 0
    first: list[tuple[int, str]] = []
    for shard in shards:
        with files.opened(shard) as file:
            columns = pyarrow.parquet.read_table(file, columns=["row", "error"])
        rows.append(columns["row"].to_numpy())
        found = columns.filter(pyarrow.compute.not_equal(columns["error"], ""))
        bad += len(found)
        errors = zip(found["row"].to_pylist(), found["error"].to_pylist(), strict=True)
        first = heapq.nsmallest(_NAMED, [*first, *errors])
    got = np.sort(np.concatenate(rows))
    if not np.array_equal(got, np.arange(count)):
        raise InputError(
            f"the pipeline returned {len(got)} rows ({len(np.unique(got))} distinct) for {count} "
            "pairs; check that the table has not changed and that all workers see the same folder "
            "at this path, then run the same command again"
        )
    return bad, [error for _, error in first]
