"""Units of work: pairs of one size class that a worker scores together and whose scores it keeps.

The table alone decides which pairs make a unit. A unit that was scored before, by a worker that
died or in a run that failed, is therefore recognised.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from apache_beam.io.filesystems import FileSystems

from gsn_jax.scoring import store
from gsn_jax.scoring.tiles import SHAPES
from gsn_jax.serving.beam import files

# Units are made within blocks of that many consecutive rows. Most tables are sorted by reference:
# the versions of a reference then share a unit, in which it is decoded and encoded once.
BLOCK = 1024

# Pairs of a unit: the most that a dying worker loses.
UNIT = 64


class Task(NamedTuple):
    """A pair on its way to a worker. It travels as a plain tuple, which Beam encodes fast.

    Attributes:
        row: its number in the table, from 0.
        reference: name of the reference as it was given.
        distorted: name of the distorted image as it was given.
        reference_file: its path or URL, "" where `problem` says why there is none.
        distorted_file: likewise.
        problem: why the pair cannot be scored, if that is known before a file is opened; else "".
        stamp: sizes and modification times of its local files, which tell whether they changed.
    """

    row: int
    reference: str
    distorted: str
    reference_file: str
    distorted_file: str
    problem: str
    stamp: str = ""


def size_class(size: tuple[int, int] | None) -> str:
    """The smallest size class that holds an image, or "tiled" where none does."""
    if size is None:
        return "unreadable"
    fitting = [shape for shape in SHAPES if size[0] <= shape[0] and size[1] <= shape[1]]
    if not fitting:
        return "tiled"
    height, width = min(fitting, key=lambda shape: shape[0] * shape[1])
    return f"{width}x{height}"


def group_of(task: Task, size: tuple[int, int] | None) -> str:
    """The key that a pair is grouped by: its block of the table and its size class."""
    return f"{task.row // BLOCK:06d}-{size_class(size)}"


def units_of(group: str, tasks: Iterable[tuple]) -> Iterator[tuple[str, list[tuple]]]:
    """The units of a group with their names, whatever the order in which its pairs arrive."""
    ordered = sorted(tasks)
    for start in range(0, len(ordered), UNIT):
        yield f"{group}-{start // UNIT:02d}", ordered[start : start + UNIT]


class KeptUnits:
    """Scores of finished units in a folder, one file each, in the form of `scoring.store`."""

    def __init__(self, folder: str, run: str):
        """Opens nothing yet.

        Args:
            folder: where the files are; may be remote.
            run: what the scores depend on besides the image files.
        """
        self._folder, self._run = folder, run

    def load(self, name: str, tasks: list[Task]) -> dict[int, dict[str, float]]:
        """Row to scores of the pairs that an earlier run has scored, without those that failed."""
        path, run = self._file(name, tasks)
        try:
            if not FileSystems.exists(path):
                return {}
            with files.opened(path) as file:
                found, rows, _ = store.decode(file.read())
        except OSError:  # the unit is scored again
            return {}
        if found != run or len(rows) > len(tasks):
            return {}
        return {int(row): scores for row, scores in rows.items()}

    def save(self, name: str, tasks: list[Task], scored: dict[int, dict[str, float]]) -> None:
        """Keeps the scores of a finished unit."""
        path, run = self._file(name, tasks)
        # A failure to keep them costs time, nothing else.
        with contextlib.suppress(OSError):
            files.write(path, store.encode(run, scored).decode())

    def _file(self, name: str, tasks: list[Task]) -> tuple[str, dict[str, str]]:
        """The file of a unit, and the description of its run: the pairs count as part of it."""
        digest = hashlib.sha256(json.dumps([self._run, tasks]).encode()).hexdigest()[:16]
        return files.join(self._folder, f"{name}-{digest}.jsonl"), {"unit": name, "digest": digest}
