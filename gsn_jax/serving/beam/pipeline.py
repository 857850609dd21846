"""The pipeline: table -> pairs -> groups by size class -> units -> scores -> sharded Parquet.

Beam pickles functions by name, so workers need the same version of the package. Nothing here uses
JAX before a worker process has started.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import apache_beam as beam
import pyarrow
from apache_beam.utils.shared import Shared

from gsn_jax.errors import InputError
from gsn_jax.images import pair_tables
from gsn_jax.serving.beam import files
from gsn_jax.serving.beam.units import KeptUnits, Task, group_of, units_of
from gsn_jax.serving.beam.worker import Scorer, Settings

# Prefix of the names of output files.
SHARD = "scores"


@dataclasses.dataclass(frozen=True)
class Job:
    """The work of a pipeline.

    Attributes:
        table: the pairs table, a path or URL.
        settings: metrics and options.
        columns: names of the metrics.
        kept: folder for the scores of finished units.
        shards: folder for the output files.
    """

    table: str
    settings: Settings
    columns: Sequence[str]
    kept: str
    shards: str


def build(pipeline: beam.Pipeline, job: Job) -> None:
    """Adds the steps of a job to a pipeline."""
    units = (
        pipeline
        | "Table" >> beam.Create([job.table])
        | "Read" >> beam.ParDo(ReadTable())
        | "Spread" >> beam.Reshuffle()
        | "Classify" >> beam.Map(classify).with_output_types(tuple[str, Any])
        | "Group" >> beam.GroupByKey()
        | "Divide" >> beam.FlatMapTuple(units_of)
        | "Deal" >> beam.Reshuffle()  # any worker may take any unit; each is retried separately
    )
    rows = units | "Score" >> beam.ParDo(ScoreUnit(job.settings, job.kept))
    _ = rows | "Write" >> beam.io.WriteToParquet(
        files.join(job.shards, SHARD),
        schema_of(job.columns),
        file_name_suffix=".parquet",
        codec="snappy",
    )


def schema_of(metrics: Iterable[str]) -> pyarrow.Schema:
    """The columns of the output."""
    return pyarrow.schema(
        [
            ("row", pyarrow.int64()),
            ("reference", pyarrow.string()),
            ("distorted", pyarrow.string()),
            *((name, pyarrow.float64()) for name in metrics),
            ("error", pyarrow.string()),
            ("versions", pyarrow.string()),
            ("protocol", pyarrow.string()),
        ]
    )


class ReadTable(beam.DoFn):
    """Reads a pairs table into `Task` tuples, numbered from 0 in its order."""

    def process(self, table: str) -> Iterator[tuple]:
        """Reads the table as a whole: quoted fields may hold line ends, so it cannot be split."""
        with files.local_copy(table) as path:
            for index, row in enumerate(pair_tables.read_rows(path)):
                yield tuple(_task(table, index, row))


def _task(table: str, index: int, row: pair_tables.Row) -> Task:
    reference, distorted = row.fields["reference"], row.fields["distorted"]
    try:
        if row.problem:
            raise InputError(row.problem)
        paths = files.resolve(table, reference), files.resolve(table, distorted)
        return Task(index, reference, distorted, *paths, "")
    except InputError as error:
        return Task(index, reference, distorted, "", "", f"{table}, line {row.line}: {error}")


def classify(element: tuple) -> tuple[str, tuple]:
    """A pair with the key of its group, which depends on the size of the distorted image."""
    task = Task(*element)
    if task.problem:
        return group_of(task, None), element
    size = files.image_size(task.distorted_file)
    marks = [files.stamp(path) for path in (task.reference_file, task.distorted_file)]
    return group_of(task, size), tuple(task._replace(stamp=" ".join(marks)))


class ScoreUnit(beam.DoFn):
    """Scores units; the models are loaded once per worker process."""

    def __init__(self, settings: Settings, kept: str):
        """Loads nothing yet.

        Args:
            settings: metrics and options.
            kept: folder for the scores of finished units.
        """
        self._settings, self._kept = settings, kept
        self._shared = Shared()
        self._scored = beam.metrics.Metrics.counter("gsn", "scored")
        self._bad = beam.metrics.Metrics.counter("gsn", "bad")

    def setup(self) -> None:
        """Loads the models; Beam calls it once in each thread of a worker."""
        self._scorer = self._shared.acquire(lambda: Scorer(self._settings))

    def process(self, unit: tuple[str, list[tuple]]) -> Iterator[dict[str, Any]]:
        """The rows of a unit."""
        name, elements = unit
        tasks = [Task(*element) for element in elements]
        for row in self._scorer.score(name, tasks, KeptUnits(self._kept, self._scorer.run)):
            (self._bad if row["error"] else self._scored).inc()
            yield row
