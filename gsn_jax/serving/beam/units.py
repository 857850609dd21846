"""Units of work: pairs of one size class that a worker scores together and whose scores it keeps.

Which pairs make a unit depends on the table and the image sizes alone. So a unit that was scored
before, by a worker that died or in a run that failed, is recognised.
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

# Units are formed within blocks of this many consecutive rows. Most tables are sorted by reference:
# the versions of a reference then share a unit, in which it is decoded and encoded once.
BLOCK = 1024

# Maximum number of pairs in a unit, and thus in what a dying worker loses.
UNIT = 64


class Task(NamedTuple):
    """A pair on its way to a worker. It travels as a plain tuple, which Beam encodes fast.

    Attributes:
        row: its number in the table, from 0.
        reference: name of the reference as it was given.
        distorted: name of the distorted image as it was given.
        reference_file: its path or URL; "" if `problem` says why there is none.
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
    """The smallest shape that holds an image; "tiled" if none does, "unreadable" without a size."""
    if size is None:
        return "unreadable"
    fitting = [shape for shape in SHAPES if size[0] <= shape[0] and size[1] <= shape[1]]
    if not fitting:
        return "tiled"
    height, width = min(fitting, key=lambda shape: shape[0] * shape[1])
    return f"{width}x{height}"


def group_of(task: Task, size: tuple[int, int] | None) -> str:
    """The key by which a pair is grouped: its block of the table and its size class."""
    return f"{task.row // BLOCK:06d}-{size_class(size)}"


def units_of(group: str, tasks: Iterable[tuple]) -> Iterator[tuple[str, list[tuple]]]:
    """The units of a group with their names, independent of the order in which pairs arrive."""
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
        """Maps rows to the scores of an earlier run; pairs that failed are missing."""
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
        # Failing to store them only costs time.
        with contextlib.suppress(OSError):
            files.write(path, store.encode(run, scored).decode())

    def _file(self, name: str, tasks: list[Task]) -> tuple[str, dict[str, str]]:
        """The file of a unit, and the description of its run, of which the pairs are a part."""
        digest = hashlib.sha256(json.dumps([self._run, tasks]).encode()).hexdigest()[:16]
        return files.join(self._folder, f"{name}-{digest}.jsonl"), {"unit": name, "digest": digest}
