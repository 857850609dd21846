"""Opens the data sets and pairs tables on which metrics are judged."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path

from data_pipelines.identity import identity_of_images
from data_pipelines.sources import PairSource
from data_pipelines.tables import PairTable, number
from gsn_jax.errors import InputError
from gsn_jax.images import pair_tables

# Names to try in this order if the caller names no column.
SCORE_COLUMNS = ("score", "mos")
CONTENT_COLUMNS = ("group", "content", "scene")


@dataclasses.dataclass(frozen=True)
class JudgedSet:
    """Pairs with opinion scores, and their identity for scores on disk.

    Attributes:
        name: name of the set and of the folder that keeps its scores.
        source: the pairs.
        identity: changes with the images or their order, but not with labels, which metrics do not
            see.
    """

    name: str
    source: PairSource
    identity: str


@dataclasses.dataclass(frozen=True)
class TableColumns:
    """The columns of a pairs table; None tries the usual names.

    Attributes:
        score: column of the opinion score; by default `score` or `mos`.
        content: column of the content, which resampling keeps together; by default `group`,
            `content`, `scene`, or else the reference image.
        kind: column of the distortion type.
        score_range: smallest and largest possible score; by default 0 and 1 if all scores lie
            between them, otherwise those of the table. It does not affect correlations, fits or
            RMSE.
        lower_is_better: whether the opinion score falls with quality.
    """

    score: str | None = None
    content: str | None = None
    kind: str = "type"
    score_range: tuple[float, float] | None = None
    lower_is_better: bool = False


def open_prepared(
    name: str, split: str = "all", data_dir: str | os.PathLike[str] | None = None
) -> JudgedSet:
    """Opens a prepared data set.

    Args:
        name: see `data_pipelines.names()`.
        split: "all" for every pair; see `data_pipelines.load`.
        data_dir: folder of prepared sets.

    Raises:
        InputError: there is no such set or split, or it is not prepared.
    """
    from data_pipelines import catalogue

    source = catalogue.load(name, split, data_dir)
    info = catalogue.builder(name, data_dir).info
    sizes = [f"{part} {info.splits[part].num_bytes}" for part in sorted(info.splits)]
    label = name if split == "all" else f"{name}-{split}"
    return JudgedSet(label, source, identity_of_images(source, [info.full_name, split, *sizes]))


def open_table(path: str | os.PathLike[str], columns: TableColumns | None = None) -> JudgedSet:
    """Opens a pairs table. Its name is that of the file, or of the folder for `pairs.csv`.

    Args:
        path: the table, see `data_pipelines.tables.PairTable`.
        columns: its columns.

    Raises:
        InputError: the table cannot be read, or lacks a column.
    """
    columns = columns or TableColumns()
    path = Path(path)
    rows = list(pair_tables.read_rows(path))
    header = list(rows[0].fields)
    score = columns.score or _first(SCORE_COLUMNS, header)
    if score not in header:
        raise InputError(
            f"{path}: no column {columns.score or ' or '.join(SCORE_COLUMNS)} with opinion "
            f"scores; name one with --score-column (the table has {', '.join(header)})"
        )
    content = columns.content or _first(CONTENT_COLUMNS, header)
    for option, column in (("--content-column", columns.content), ("--type-column", columns.kind)):
        if column not in (None, "type", *header):
            raise InputError(
                f"{path}: no column {column} ({option}); the table has {', '.join(header)}"
            )
    table = PairTable(
        path,
        score_column=score,
        group_column=content or "group",
        type_column=columns.kind,
        score_range=columns.score_range or _own_range(rows, score),
        higher_is_better=not columns.lower_is_better,
    )
    name = path.resolve().parent.name if path.stem == "pairs" else path.stem
    return JudgedSet(name or "pairs", table, identity_of_images(table))


def check_names(sets: Sequence[JudgedSet]) -> None:
    """Checks that no two sets have the same name and thus the same folder of scores.

    Raises:
        InputError: two sets have the same name.
    """
    names = [judged.name for judged in sets]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(
            f"two data sets are called {twice[0]}; leave one out, or rename a table or its folder"
        )


def _first(names: Sequence[str], header: Sequence[str]) -> str | None:
    return next((name for name in names if name in header), None)


def _own_range(rows: Sequence[pair_tables.Row], column: str) -> tuple[float, float] | None:
    """Smallest and largest score; None if all lie in [0, 1] or one is not a number."""
    try:
        values = [number(row.fields[column]) for row in rows]
    except ValueError:
        return None  # PairTable reports the line
    low, high = min(values), max(values)
    if 0 <= low <= high <= 1:
        return None
    return (low, high) if low < high else (low - 0.5, high + 0.5)
