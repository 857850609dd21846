"""Scores kept aside while a table is being made, so that an interrupted run loses nothing.

A file of JSON lines beside the table, `.NAME.partial`: what the run is, then one line per scored
pair. It is gone when the table is complete.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from gsn_jax._version import __version__
from gsn_jax.errors import InputError
from gsn_jax.metric import Metric
from gsn_jax.scoring import file_locks
from gsn_jax.scoring.many_pairs import Loading, Pair, ScoredPair
from gsn_jax.scoring.metric_choice import version_of


class Journal:
    """The scores of a run so far; a context manager that holds the file for itself."""

    def __init__(
        self, table: str | os.PathLike[str], pairs: Sequence[Pair], run: Mapping[str, Any]
    ):
        """Opens nothing yet.

        Args:
            table: the table that is being made.
            pairs: what is scored.
            run: what the scores depend on besides the files: metrics, versions, options. Scores of
                another run are dropped.
        """
        target = Path(table)
        self.path = target.with_name(f".{target.name}.partial")
        self._pairs = pairs
        self._head = json.dumps({"gsn_jax_journal": 1, **run}, sort_keys=True)
        self.scored: dict[int, ScoredPair] = {}

    def __enter__(self) -> Journal:
        """Reads what an earlier run left, and continues it.

        Raises:
            InputError: the file cannot be written, or another process writes it.
        """
        with self._written():
            self._file = open(self.path, "a+b")
            self._lock()
            end = self._read()
            self._file.truncate(end)
            if not end:
                self._append(self._head)
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):  # the disk may be full
            self._file.close()

    def add(self, index: int, scored: ScoredPair) -> None:
        """Keeps the scores of a pair.

        Raises:
            InputError: they cannot be written; what was kept before stays.
        """
        self.scored[index] = scored
        line = {
            "pair": index,
            "files": self._stamp(index),
            "scores": scored.scores,
            "error": scored.error,
        }
        with self._written():
            self._append(json.dumps(line))

    def remove(self) -> None:
        """The table is complete."""
        self.path.unlink(missing_ok=True)

    def _append(self, line: str) -> None:
        self._file.write(line.encode() + b"\n")
        self._file.flush()

    def _read(self) -> int:
        """Takes over an earlier run's scores; gives where its last whole line ends, 0 if unfit."""
        self._file.seek(0)
        head = self._file.readline()
        if head != self._head.encode() + b"\n":
            return 0
        end = self._file.tell()
        for line in self._file:
            if not line.endswith(b"\n"):
                break
            try:
                self._take(json.loads(line))
            except (ValueError, KeyError, TypeError, AttributeError):
                break
            end += len(line)
        return end

    def _take(self, line: dict[str, Any]) -> None:
        """A pair with an error is tried again, and one whose files have changed."""
        index = line["pair"]
        known = isinstance(index, int) and 0 <= index < len(self._pairs)
        if known and not line["error"] and line["files"] == self._stamp(index):
            self.scored[index] = ScoredPair(self._pairs[index], dict(line["scores"]))

    def _stamp(self, index: int) -> list[Any]:
        """Names, sizes and times of a pair's files."""
        pair = self._pairs[index]
        stamp: list[Any] = [pair.reference, pair.distorted]
        for file in (pair.reference_file, pair.distorted_file):
            try:
                state = os.stat(file) if file else None
            except (OSError, ValueError):
                state = None
            stamp += [state.st_size, state.st_mtime_ns] if state else [None, None]
        return stamp

    def _lock(self) -> None:
        if not file_locks.lock(self._file):
            self._file.close()
            raise InputError(
                f"{self.path}: another run is writing this table; wait for it, or name another "
                "output"
            )

    @contextlib.contextmanager
    def _written(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise InputError(
                f"{self.path}: cannot be written ({error.strerror}); what was scored before is "
                "kept, and the same command continues"
            ) from None


def describe_run(metrics: Sequence[Metric], loading: Loading) -> dict[str, Any]:
    """What the scores depend on besides the files: metrics, versions, how files are read."""
    models = {metric.name: version_of(metric) for metric in metrics}
    return {"package": __version__, "metrics": models, "loading": dataclasses.asdict(loading)}
