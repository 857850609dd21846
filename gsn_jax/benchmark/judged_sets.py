"""Opening the data sets and pairs tables that metrics are judged on."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from data_pipelines.sources import PairSource
from data_pipelines.tables import PairTable
from gsn_jax.errors import InputError
from gsn_jax.images import pair_tables

# Tried in this order where a command does not name the column.
SCORE_COLUMNS = ("score", "mos")
CONTENT_COLUMNS = ("group", "content", "scene")

_SAMPLE = 16384  # bytes


@dataclasses.dataclass(frozen=True)
class JudgedSet:
    """Pairs with opinion scores, and what the scores of metrics belong to.

    Attributes:
        name: for people and for the folder that keeps the scores.
        source: the pairs.
        identity: changes when images or their order change; labels may change, since no metric
            sees them.
        contents: what `source.reference_ids` come from, for people.
    """

    name: str
    source: PairSource
    identity: str
    contents: str = "reference"


@dataclasses.dataclass(frozen=True)
class TableColumns:
    """Which columns of a pairs table mean what; None looks for the usual names.

    Attributes:
        score: the opinion score: `score` or `mos`.
        content: the content, which resampling keeps together: `group`, `content`, `scene`, or
            else the reference image itself.
        kind: the kind of distortion.
        score_range: smallest and largest possible score; the table's own by default, which
            changes nothing that is computed from ranks, fits or published units.
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
    """A prepared data set.

    Args:
        name: see `data_pipelines.names()`.
        split: "all" for every pair; see `data_pipelines.load`.
        data_dir: where prepared sets are.

    Raises:
        InputError: there is no such set or split, or it is not prepared.
    """
    from data_pipelines import catalogue

    source = catalogue.load(name, split, data_dir)
    info = catalogue.builder(name, data_dir).info
    sizes = [f"{part} {info.splits[part].num_bytes}" for part in sorted(info.splits)]
    label = name if split == "all" else f"{name}-{split}"
    return JudgedSet(label, source, _digest([info.full_name, split, *sizes], source))


def open_table(path: str | os.PathLike[str], columns: TableColumns | None = None) -> JudgedSet:
    """A pairs table; it is called like its file, or like its folder if the file is `pairs.csv`.

    Args:
        path: the table, see `data_pipelines.tables.PairTable`.
        columns: its columns.

    Raises:
        InputError: the table cannot be read, or lacks a column.
    """
    columns = columns or TableColumns()
    path = Path(path)
    rows = list(pair_tables.read_rows(path))
    if not rows:
        raise InputError(f"{path}: no pairs below the header line; add some")
    header = list(rows[0].fields)
    score = columns.score or _first(SCORE_COLUMNS, header)
    if score not in header:
        raise InputError(
            f"{path}: no column {columns.score or ' or '.join(SCORE_COLUMNS)} with opinion "
            f"scores; name it with --score-column ({', '.join(header)})"
        )
    content = columns.content or _first(CONTENT_COLUMNS, header)
    for option, column in (("--content-column", columns.content), ("--type-column", columns.kind)):
        if column not in (None, "type", *header):
            raise InputError(f"{path}: no column {column} ({option}); has {', '.join(header)}")
    table = PairTable(
        path,
        score_column=score,
        group_column=content or "group",
        type_column=columns.kind,
        score_range=columns.score_range or _own_range(rows, score),
        higher_is_better=not columns.lower_is_better,
    )
    files = sorted({file for index in range(len(table)) for file in table.paths(index)})
    name = path.resolve().parent.name if path.stem == "pairs" else path.stem
    identity = _digest((_file_identity(file) for file in files), table)
    return JudgedSet(name or "pairs", table, identity, f"column {content}" if content else "image")


def check_names(sets: Sequence[JudgedSet]) -> None:
    """Refuses two sets of one name, whose scores would be kept in one folder.

    Raises:
        InputError: there are two.
    """
    names = [judged.name for judged in sets]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"two data sets are called {twice[0]}; rename a table or its folder")


def _first(names: Sequence[str], header: Sequence[str]) -> str | None:
    return next((name for name in names if name in header), None)


def _own_range(rows: Sequence[pair_tables.Row], column: str) -> tuple[float, float] | None:
    """Smallest and largest score, or None where [0, 1] holds them or the table says why not."""
    try:
        values = [float(row.fields[column]) for row in rows]
    except ValueError:
        return None  # PairTable names the line
    low, high = min(values), max(values)
    if 0 <= low <= high <= 1:
        return None
    return (low, high) if low < high else (low - 0.5, high + 0.5)


def _file_identity(path: Path) -> str:
    """Size and samples of a file: whole files would take longer than many metrics."""
    digest = hashlib.blake2b(digest_size=8)
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        for part in range(4):
            file.seek(max(0, (size - _SAMPLE) * part // 3))
            digest.update(file.read(_SAMPLE))
    return f"{size} {digest.hexdigest()}"


def _digest(parts: Iterable[str], source: PairSource) -> str:
    """Of the images that a set consists of; neither its folder nor its labels count."""
    digest = hashlib.blake2b(digest_size=12)
    for part in parts:
        digest.update(f"{part}\n".encode())
    for name in ("reference", "distorted"):
        digest.update("\x1f".join(map(str, source.fields[name].tolist())).encode())
    return digest.hexdigest()
