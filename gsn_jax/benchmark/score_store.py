"""The scores of one data set, kept in a folder so that nothing is scored twice.

    scores.csv    one row per pair, in the set's order: what it is, its opinion score, and a column
                  per metric; empty where it is not scored yet, nan where it cannot be
    scores.json   what the scores belong to, and why some are nan
    scores.lock   empty; kept by the run that is scoring, so that there is one at a time

Both are written aside and renamed. The description is written first: whatever moment a run dies
at, no score in the table lacks its description.
"""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import io
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from data_pipelines.image_writing import write_text
from gsn_jax._version import __version__
from gsn_jax.benchmark.judged_sets import JudgedSet
from gsn_jax.benchmark.scored_set import MetricScores, ScoredSet
from gsn_jax.errors import InputError
from gsn_jax.scoring import file_locks

TABLE = "scores.csv"
DESCRIPTION = "scores.json"
LOCK = "scores.lock"
_FORMAT = 1
# Columns of the table that are no metric.
_LABELS = {
    "reference": "reference",
    "distorted": "distorted",
    "opinion": "score",
    "content": "reference_id",
    "type": "distortion_type",
    "level": "distortion_level",
}


@contextlib.contextmanager
def alone(folder: Path | None) -> Iterator[None]:
    """Keeps the folder of a store to this run while the context lasts, made if need be.

    Raises:
        InputError: another run is scoring into it, or it cannot be written.
    """
    if folder is None:
        yield
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / LOCK).touch()
    except OSError as error:
        raise InputError(_unwritable(folder, error)) from None
    with file_locks.alone(folder / LOCK, f"{folder}: "):
        yield


@dataclasses.dataclass
class Column:
    """The scores of one metric so far.

    Attributes:
        higher_is_better: direction of the scores.
        version: of the model, "" for a plain formula.
        package: version of the package that scored.
        values: float64 `(N,)`; NaN where `scored` is False or `errors` says why.
        scored: bool `(N,)`, which pairs are done.
        errors: pair index to one line.
        seconds: time for one pair, NaN where it was not measured.
        trained_on: see `MetricScores`.
    """

    higher_is_better: bool
    version: str
    package: str
    values: np.ndarray
    scored: np.ndarray
    errors: dict[int, str] = dataclasses.field(default_factory=dict)
    seconds: float = math.nan
    trained_on: tuple[str, ...] = ()

    def set(self, index: int, value: float, error: str = "") -> None:
        """Records a pair's score, or why it has none."""
        self.scored[index] = True
        self.values[index] = math.nan if error else value
        self.errors.pop(index, None)
        if error:
            self.errors[index] = error


class ScoreStore:
    """The scores that metrics gave to a data set, in memory and, with a folder, on disk.

    Attributes:
        judged: the data set.
        columns: metric name to its scores, in the order in which they were first asked for.
    """

    def __init__(self, judged: JudgedSet, folder: Path | None = None, *, rescore: bool = False):
        """Reads what the folder holds.

        Args:
            judged: the data set.
            folder: where its scores are kept; None keeps them in memory only.
            rescore: forget scores that belong to other data instead of refusing them.

        Raises:
            InputError: the folder holds scores of other data, or cannot be read.
        """
        self.judged = judged
        self.columns: dict[str, Column] = {}
        self._folder = folder
        if folder is None or not (folder / TABLE).is_file():
            return
        try:
            description = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
            identity, described = description["data"], description["metrics"]
            known = description["format"] == _FORMAT
        except (OSError, ValueError, KeyError, TypeError):
            raise InputError(
                f"{folder}: {DESCRIPTION} is missing or damaged; remove the folder or choose "
                "another --out"
            ) from None
        if not known or identity != judged.identity:
            if rescore:
                return
            raise InputError(
                f"{folder}: holds scores of other images called {judged.name}; "
                "choose another --out, or score again with --rescore"
            )
        self._read(described)

    def require(
        self,
        name: str,
        higher_is_better: bool,
        version: str,
        trained_on: tuple[str, ...] = (),
        *,
        rescore: bool = False,
    ) -> None:
        """Makes sure of a column for the scores of a metric, begun or continued.

        With `rescore`, scores of another version and pairs that failed are to be scored again.

        Raises:
            InputError: the folder's scores are another version's, and `rescore` is False.
        """
        held = self.columns.get(name)
        if held is not None and (held.version, held.package) == (version, __version__):
            if rescore:
                held.scored[list(held.errors)] = False
                held.errors.clear()
            return
        if held is not None and not rescore:
            raise InputError(
                f"{self._folder}: its scores of {name} are of {self.version_text(held)}, this is "
                f"{self.version_text(version)}; choose another --out, score again with --rescore, "
                "or make tables of what is there with --no-scoring"
            )
        count = len(self.judged.source)
        self.columns[name] = Column(
            higher_is_better,
            version,
            __version__,
            np.full(count, math.nan),
            np.zeros(count, bool),
            trained_on=trained_on,
        )
        if held is not None:
            self._write_table()  # old scores are gone before the new description comes

    def save(self) -> None:
        """Writes everything, where there is a folder.

        Raises:
            InputError: it cannot be written.
        """
        if self._folder is None:
            return
        description = {
            "format": _FORMAT,
            "set": self.judged.name,
            "data": self.judged.identity,
            "pairs": len(self.judged.source),
            "metrics": {name: _described(column) for name, column in self.columns.items()},
        }
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            write_text(self._folder / DESCRIPTION, json.dumps(description, indent=1) + "\n")
            self._write_table()
        except OSError as error:
            raise InputError(_unwritable(self._folder, error)) from None

    def scored_set(self, names: list[str] | tuple[str, ...]) -> ScoredSet:
        """The scores of these metrics, as tables and reports take them."""
        return ScoredSet(
            self.judged.name,
            self.judged.source,
            {
                name: MetricScores(
                    name,
                    column.higher_is_better,
                    column.values.copy(),
                    dict(sorted(column.errors.items())),
                    column.seconds,
                    self.version_text(column),
                    column.trained_on,
                )
                for name, column in ((name, self.columns[name]) for name in names)
            },
        )

    @staticmethod
    def version_text(column: Column | str) -> str:
        """A version for people."""
        package = column.package if isinstance(column, Column) else __version__
        model = column.version if isinstance(column, Column) else column
        return f"gsn_jax {package}" + (f", model {model}" if model else "")

    def _write_table(self) -> None:
        if self._folder is None:
            return
        fields = self.judged.source.fields
        labels = [fields[name].tolist() for name in _LABELS.values()]
        scores = [_texts(column) for column in self.columns.values()]
        file = io.StringIO()
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*_LABELS, *self.columns])
        writer.writerows(zip(*labels, *scores, strict=True))
        self._folder.mkdir(parents=True, exist_ok=True)
        write_text(self._folder / TABLE, file.getvalue())

    def _read(self, described: dict[str, Any]) -> None:
        path = self._folder / TABLE
        count = len(self.judged.source)
        with open(path, newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        if len(rows) != count:
            raise InputError(
                f"{path}: {len(rows)} rows for {count} pairs; it was changed by hand: remove it"
            )
        try:
            for name, about in described.items():
                if name in rows[0]:
                    self.columns[name] = _column(about, [row[name] for row in rows])
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"{path}: damaged at the scores of {name} ({error}); remove it"
            ) from None


def _unwritable(folder: Path, error: OSError) -> str:
    return f"{folder}: cannot be written ({error.strerror})"


def _texts(column: Column) -> list[str]:
    """Every digit of the scores, so that what is read back is what was computed."""
    return [
        repr(value) if done else ""
        for value, done in zip(column.values.tolist(), column.scored.tolist(), strict=True)
    ]


def _described(column: Column) -> dict[str, Any]:
    return {
        "higher_is_better": column.higher_is_better,
        "package": column.package,
        "version": column.version,
        "seconds": None if math.isnan(column.seconds) else column.seconds,
        "trained_on": list(column.trained_on),
        "errors": {str(index): line for index, line in sorted(column.errors.items())},
    }


def _column(about: dict[str, Any], texts: list[str]) -> Column:
    seconds = about["seconds"]
    scored = np.array([bool(text) for text in texts])
    return Column(
        bool(about["higher_is_better"]),
        about["version"],
        about["package"],
        np.array([float(text) if text else math.nan for text in texts]),
        scored,
        {int(index): line for index, line in about["errors"].items() if scored[int(index)]},
        math.nan if seconds is None else float(seconds),
        tuple(about.get("trained_on", ())),
    )
