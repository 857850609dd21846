"""The scores of one data set, kept in a folder so that no pair is scored twice.

scores.jsonl  the store: one row per pair with its scores and errors, and one row that describes
              the metrics. Rows are appended while a run scores
scores.csv    the same as a table to read, written at the end of a run: one row per pair, in the
              set's order, and a column per metric; empty if a pair has not been scored, nan if it
              could not be scored
scores.lock   empty; locked by the run that is scoring, so that only one runs at a time
"""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np

from gsn_jax._version import __version__
from gsn_jax.benchmark.judged_sets import JudgedSet
from gsn_jax.benchmark.scored_set import MetricScores, ScoredSet
from gsn_jax.errors import InputError
from gsn_jax.scoring.outputs import naming
from gsn_jax.scoring.store import Key, Store
from gsn_jax.storage import csv_text, write_text

STORE = "scores.jsonl"
TABLE = "scores.csv"
LOCK = "scores.lock"
# Key of the row that describes the metrics; the other keys are indices of pairs.
_METRICS = "metrics"
# Columns of the table that hold no scores, and the set's fields they show.
_LABELS = {
    "reference": "reference",
    "distorted": "distorted",
    "opinion": "score",
    "content": "reference_id",
    "type": "distortion_type",
    "level": "distortion_level",
}


@dataclasses.dataclass
class Column:
    """The scores of one metric so far.

    Attributes:
        higher_is_better: direction of the scores.
        version: version of the model; "" for a plain formula.
        package: version of the package that scored.
        values: float64 `(N,)`; NaN where `scored` is False or `errors` says why.
        scored: bool `(N,)`, True for pairs that are done.
        errors: pair index to one line.
        seconds: time for one pair; NaN if not measured.
        trained_on: see `MetricScores`.
        protocol: see `MetricScores`.
    """

    higher_is_better: bool
    version: str
    package: str
    values: np.ndarray
    scored: np.ndarray
    errors: dict[int, str] = dataclasses.field(default_factory=dict)
    seconds: float = math.nan
    trained_on: tuple[str, ...] = ()
    protocol: str = ""

    def set(self, index: int, value: float, error: str = "") -> None:
        """Records a pair's score, or the reason why it has none."""
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
            rescore: forget scores of other images instead of refusing them.

        Raises:
            InputError: the folder holds scores of other images, or cannot be read.
        """
        self.judged = judged
        self.columns: dict[str, Column] = {}
        self._folder = folder
        self._store: Store | None = None
        if folder is None:
            return
        try:
            self._store = Store(folder / STORE, self._run())
        except OSError as error:
            raise InputError(f"{folder / STORE}: cannot be read ({error.strerror})") from None
        if not rescore:
            self._refuse_others(folder, self._store)
        self._read(self._store)

    def require(
        self,
        name: str,
        higher_is_better: bool,
        version: str,
        trained_on: tuple[str, ...] = (),
        protocol: str = "",
        *,
        rescore: bool = False,
    ) -> None:
        """Begins or continues the column of a metric.

        With `rescore`, drops scores of another version or protocol, and marks failed pairs as not
        scored.

        Raises:
            InputError: the folder's scores are those of another version or protocol, and `rescore`
                is False.
        """
        held = self.columns.get(name)
        wanted = (version, __version__, protocol)
        if held is not None and (held.version, held.package, held.protocol) == wanted:
            if rescore:
                held.scored[list(held.errors)] = False
                held.errors.clear()
            return
        if held is not None and not rescore:
            raise InputError(
                f"{self._folder}: its {name} scores were computed by {self.version_text(held)}, "
                f"but this is {_version_text(__version__, version, protocol)}; choose another "
                "--out, score again with --rescore, or use --no-scoring to make tables "
                "from these scores"
            )
        count = len(self.judged.source)
        self.columns[name] = Column(
            higher_is_better,
            version,
            __version__,
            np.full(count, math.nan),
            np.zeros(count, bool),
            trained_on=trained_on,
            protocol=protocol,
        )

    def keep(self, index: int) -> None:
        """Appends the scores of one pair to the store on disk.

        Raises:
            InputError: they cannot be written.
        """
        if self._store is not None and self._folder is not None:
            with naming(self._folder):
                self._store.add(index, self._row(index))

    def save(self) -> None:
        """Writes the whole store and the table, if there is a folder.

        Raises:
            InputError: it cannot be written.
        """
        if self._store is None or self._folder is None:
            return
        metrics = {name: _described(column) for name, column in self.columns.items()}
        rows: dict[Key, Any] = {_METRICS: metrics}
        rows |= {
            index: row for index in range(len(self.judged.source)) if (row := self._row(index))
        }
        with naming(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            self._store.replace(rows)
            write_text(self._folder / TABLE, self._table())

    def scored_set(self, names: list[str] | tuple[str, ...]) -> ScoredSet:
        """The scores of these metrics, as input of tables and reports."""
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
                    column.protocol,
                )
                for name, column in ((name, self.columns[name]) for name in names)
            },
        )

    @staticmethod
    def version_text(column: Column) -> str:
        """Version and protocol of a column, as text."""
        return _version_text(column.package, column.version, column.protocol)

    def _run(self) -> dict[str, Any]:
        return {
            "set": self.judged.name,
            "data": self.judged.identity,
            "pairs": len(self.judged.source),
        }

    def _refuse_others(self, folder: Path, store: Store) -> None:
        if store.found is None:
            if store.path.is_file() and store.path.stat().st_size:
                raise InputError(f"{store.path}: damaged; remove it, or choose another --out")
            if (folder / TABLE).is_file():
                raise InputError(
                    f"{folder}: has a {TABLE} but no {STORE}, so it may be from an older gsn_jax; "
                    "choose another --out, or score again with --rescore"
                )
        elif store.found.get("data") != self.judged.identity:
            raise InputError(
                f"{folder}: contains scores of other images under the name {self.judged.name}; "
                "choose another --out, or score again with --rescore"
            )
        elif store.found != self._run():
            raise InputError(
                f"{folder}: contains the scores of {store.found.get('set')}; name table and folder "
                "as they were, choose another --out, or score again with --rescore"
            )

    def _row(self, index: int) -> dict[str, Any]:
        """Metric name to the score of a pair, or to the line that says why there is none."""
        return {
            name: column.errors.get(index) or column.values[index].item()
            for name, column in self.columns.items()
            if column.scored[index]
        }

    def _read(self, store: Store) -> None:
        count = len(self.judged.source)
        rows = dict(store.rows)
        try:
            for name, about in rows.pop(_METRICS, {}).items():
                self.columns[name] = _column(about, count)
            for index, row in rows.items():
                for name, score in row.items():
                    failed = isinstance(score, str)
                    value = math.nan if failed else float(score)
                    self.columns[name].set(int(index), value, score if failed else "")
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            raise InputError(f"{store.path}: damaged ({error}); remove it") from None

    def _table(self) -> str:
        fields = self.judged.source.fields
        labels = [fields[name].tolist() for name in _LABELS.values()]
        rows = zip(*labels, *map(_texts, self.columns.values()), strict=True)
        return csv_text([[*_LABELS, *self.columns], *rows])


def _version_text(package: str, model: str, protocol: str) -> str:
    parts = [f"gsn_jax {package}", f"model {model}" if model else "", protocol]
    return ", ".join(filter(None, parts))


def _texts(column: Column) -> list[str]:
    """The scores with every digit; "" for pairs that have not been scored."""
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
        "protocol": column.protocol,
    }


def _column(about: dict[str, Any], count: int) -> Column:
    seconds = about["seconds"]
    return Column(
        bool(about["higher_is_better"]),
        about["version"],
        about["package"],
        np.full(count, math.nan),
        np.zeros(count, bool),
        seconds=math.nan if seconds is None else float(seconds),
        trained_on=tuple(about["trained_on"]),
        # Scores from before there were protocols have none.
        protocol=str(about.get("protocol", "")),
    )
