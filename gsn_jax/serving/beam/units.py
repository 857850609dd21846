"""Units of work: pairs of one size class that a worker scores together, and keeps when it has.

Which pairs make a unit follows from the table alone, so that a unit that was scored before, by a
worker that died or in a run that failed, is known again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from apache_beam.io.filesystems import FileSystems

from gsn_jax.scoring.tiling import SHAPES
from gsn_jax.serving.beam import files

# Consecutive rows among which units are made. Tables are sorted by reference more often than not,
# so that the versions of a reference meet in one unit, where it is decoded and encoded once.
BLOCK = 1024

# Pairs of a unit: what a dying worker loses at most.
UNIT = 64


class Task(NamedTuple):
    """A pair on its way to a worker; travels as a plain tuple, which Beam encodes fast.

    Attributes:
        row: its number in the table, from 0.
        reference: name of the reference as it was given.
        distorted: name of the distorted image as it was given.
        reference_file: path or URL of it, "" where `problem` says why not.
        distorted_file: likewise.
        problem: what is wrong with the pair before any file was opened, "" where nothing is.
        stamp: by which changed files are known.
    """

    row: int
    reference: str
    distorted: str
    reference_file: str
    distorted_file: str
    problem: str
    stamp: str = ""


def size_class(size: tuple[int, int] | None) -> str:
    """The smallest size class that holds an image; "tiled" where none does."""
    if size is None:
        return "unreadable"
    fitting = [shape for shape in SHAPES if size[0] <= shape[0] and size[1] <= shape[1]]
    if not fitting:
        return "tiled"
    height, width = min(fitting, key=lambda shape: shape[0] * shape[1])
    return f"{width}x{height}"


def group_of(task: Task, size: tuple[int, int] | None) -> str:
    """The key under which pairs meet: a block of the table and a size class."""
    return f"{task.row // BLOCK:06d}-{size_class(size)}"


def units_of(group: str, tasks: Iterable[tuple]) -> Iterator[tuple[str, list[tuple]]]:
    """The units of a group with their names; the same ones in whatever order its pairs arrive."""
    ordered = sorted(tasks)
    for start in range(0, len(ordered), UNIT):
        yield f"{group}-{start // UNIT:02d}", ordered[start : start + UNIT]


class KeptUnits:
    """Scores of finished units in a folder, one file each."""

    def __init__(self, folder: str, run: str):
        """Opens nothing yet.

        Args:
            folder: where they are; may be remote.
            run: what the scores depend on besides the files.
        """
        self._folder, self._run = folder, run

    def _path(self, name: str, tasks: list[Task]) -> str:
        content = json.dumps([self._run, tasks]).encode()
        return files.join(self._folder, f"{name}-{hashlib.sha256(content).hexdigest()[:16]}.json")

    def load(self, name: str, tasks: list[Task]) -> dict[int, dict[str, float]]:
        """Row to scores of the pairs that were scored before; a pair with an error was not."""
        path = self._path(name, tasks)
        try:
            if not FileSystems.exists(path):
                return {}
            with files.opened(path) as file:
                kept = json.loads(file.read())
        except (OSError, ValueError):  # it is scored again
            return {}
        return {int(row): scores for row, scores in kept.items()}

    def save(self, name: str, tasks: list[Task], scored: dict[int, dict[str, float]]) -> None:
        """Keeps the scores of a finished unit."""
        # Without them a failure costs time, nothing else.
        with contextlib.suppress(OSError):
            files.write(self._path(name, tasks), json.dumps(scored))
