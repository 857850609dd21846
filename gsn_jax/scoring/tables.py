"""Tables of scores in CSV, JSON Lines or Parquet, with the versions that made them."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from gsn_jax._version import __version__
from gsn_jax.errors import InputError
from gsn_jax.metric import Metric
from gsn_jax.scoring.outputs import (
    check_place,
    is_description_of_scores,
    is_regular,
    is_score_table,
    refuse_foreign,
    writing,
)
from gsn_jax.scoring.pairs import Pair, ScoredPair
from gsn_jax.scoring.regions import Tiles

FORMATS = {"csv": (".csv", ".txt"), "jsonl": (".jsonl", ".ndjson"), "parquet": (".parquet", ".pq")}

# Spreadsheets take cells that begin with one of these for formulas, and run them.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")

# Columns of text, of tile numbers (from 1), and of shifts.
_TEXTS = ("reference", "distorted", "mask", "error")
_TILE = ("row", "column")
_SHIFT = ("shift_x", "shift_y")


@dataclasses.dataclass(frozen=True)
class Layout:
    """What a table has besides reference, distorted, a column per metric, and error.

    Attributes:
        masks: whether there is a column with the names of the masks.
        tiles: numbers of tiles, each with a row after that of its pair, and columns that number
            them; None for no tiles.
        shifts: whether there are columns with the shift that was undone, in pixels to the right and
            down.
    """

    masks: bool = False
    tiles: Tiles | None = None
    shifts: bool = False

    def columns(self, names: Sequence[str]) -> list[str]:
        """The columns; `names` are the names of the metrics."""
        before = ["mask"] * self.masks + list(_TILE) * bool(self.tiles)
        return ["reference", "distorted", *before, *names, *(_SHIFT * self.shifts), "error"]

    def rows(self, item: ScoredPair, names: Sequence[str]) -> Iterator[dict[str, Any]]:
        """The rows of a pair, with the columns in order; None for a missing value."""
        places: list[tuple[int | None, int | None]] = [(None, None)]
        if self.tiles and item.tiles:
            rows, columns = (range(1, count + 1) for count in self.tiles)
            places += [(row, column) for row in rows for column in columns]
        known = {
            "reference": item.pair.reference,
            "distorted": item.pair.distorted,
            "mask": item.pair.mask,
            "shift_x": item.shift and item.shift.right,
            "shift_y": item.shift and item.shift.down,
            "error": item.error,
        }
        for place, scores in zip(places, (item.scores, *item.tiles), strict=True):
            values = {name: scores.get(name) for name in names}
            numbers = dict(zip(_TILE, place, strict=True))
            row = {**known, **numbers, **values}
            yield {name: row[name] for name in self.columns(names)}


PLAIN = Layout()


def layout_of(pairs: Sequence[Pair], tiles: Tiles | None, align: str) -> Layout:
    """The layout of a table of these pairs."""
    return Layout(any(pair.mask for pair in pairs), tiles, align != "none")


def format_of(path: str | os.PathLike[str], wanted: str | None = None) -> str:
    """The format of an output file: `wanted`, or else that of its suffix, or CSV without a suffix.

    Raises:
        InputError: the suffix belongs to no format, or pyarrow, which writes Parquet, is missing.
    """
    suffix = Path(path).suffix.lower()
    named = [name for name, suffixes in FORMATS.items() if suffix in suffixes]
    if suffix and not named and wanted is None:
        raise InputError(
            f"{path}: tables cannot be written as {suffix}; name it .csv, .jsonl or .parquet, or "
            f"choose a --format ({', '.join(FORMATS)})"
        )
    chosen = wanted or (named[0] if named else "csv")
    if chosen == "parquet":
        _pyarrow()
    return chosen


def versions(metrics: Sequence[Metric]) -> dict[str, str]:
    """The package's version, and each model's version under its metric's name."""
    models = {metric.name: getattr(metric, "version", "") for metric in metrics}
    return {"gsn_jax": __version__, **{name: text for name, text in models.items() if text}}


def write_scores(
    path: str | os.PathLike[str],
    scored: Iterable[ScoredPair],
    metrics: Sequence[Metric],
    form: str = "csv",
    *,
    layout: Layout = PLAIN,
    protocol: Mapping[str, Any] | None = None,
    escape_formulas: bool = False,
) -> None:
    """Writes one row per pair: reference, distorted, a column per metric, and error.

    CSV has 6 decimals; versions and protocol are in a file beside it, `NAME.csv.json`. JSON Lines
    has them in every row, Parquet in its metadata under "gsn_jax" and "gsn_jax_protocol". A table
    appears under its name only once it is complete.

    Args:
        path: the file.
        scored: the rows.
        metrics: the metrics of the scores.
        form: "csv", "jsonl" or "parquet".
        layout: further columns, and rows for tiles.
        protocol: what the metrics saw of the images, see `gsn_jax.scoring.protocol.described`.
        escape_formulas: see `write_rows`; for CSV only.

    Raises:
        InputError: it cannot be written.
    """
    names = [metric.name for metric in metrics]
    about = {"versions": versions(metrics), "protocol": dict(protocol or {})}
    rows = (row for item in scored for row in layout.rows(item, names))
    with writing(path) as partial:
        if form == "parquet":
            _write_parquet(partial, rows, layout.columns(names), about)
        else:
            with open(partial, "w", newline="", encoding="utf-8") as file:
                if form == "csv":
                    write_rows(file, scored, names, layout=layout, escape_formulas=escape_formulas)
                else:
                    file.writelines(_json_line(row, about) for row in rows)
    if form == "csv" and is_regular(path):
        with writing(_beside(Path(path))) as partial:
            text = json.dumps({**about, "columns": names}, indent=2)
            Path(partial).write_text(text + "\n", encoding="utf-8")


def write_rows(
    file: TextIO,
    scored: Iterable[ScoredPair],
    names: Sequence[str],
    *,
    layout: Layout = PLAIN,
    escape_formulas: bool = False,
) -> None:
    """Writes a CSV table into an open text file.

    Args:
        file: open for text, with `newline=""`.
        scored: the rows.
        names: names of the metrics, in the order of the columns.
        layout: further columns, and rows for tiles.
        escape_formulas: put an apostrophe before names and errors that a spreadsheet would take
            for formulas (those that begin with = + - @). Names changed this way no longer
            match their files.
    """

    def text(cell: str) -> str:
        if escape_formulas and cell.startswith(_FORMULA):
            cell = f"'{cell}"
        # Line ends and leading blanks, too, must survive being read back.
        if cell.startswith(" ") or any(letter in cell for letter in ',"\r\n'):
            cell = '"' + cell.replace('"', '""') + '"'
        return cell

    def cell(value: str | int | float | None) -> str:
        if isinstance(value, str):
            return text(value)
        return "" if value is None else str(value) if isinstance(value, int) else f"{value:.6f}"

    file.write(",".join(map(text, layout.columns(names))) + "\n")
    for item in scored:
        for row in layout.rows(item, names):
            file.write(",".join(map(cell, row.values())) + "\n")


def check_target(
    path: str | os.PathLike[str],
    inputs: Iterable[Path | None],
    folders: Iterable[str | os.PathLike[str]] = (),
    *,
    form: str | None = None,
    overwrite: bool = False,
) -> str:
    """Refuses, before the work, an output that cannot be written or would overwrite other files.

    Args:
        path: the output.
        inputs: files that are read.
        folders: folders that are read, which must not contain the output.
        form: the format, if the user names one; a CSV table has a second file beside it.
        overwrite: whether a file that is not a table of scores may be overwritten.

    Returns:
        The format, see `format_of`.

    Raises:
        InputError: the output is a folder or one of the inputs, its folder is missing or not
            writable, it lies in one of the folders, its suffix belongs to no format, or it exists
            and is not a table of scores.
    """
    target = Path(path)
    check_place(target, inputs, folders)
    chosen = format_of(path, form)
    refuse_foreign(target, is_score_table, overwrite=overwrite)
    if chosen == "csv" and is_regular(target):
        refuse_foreign(_beside(target), is_description_of_scores, overwrite=overwrite)
    return chosen


def _beside(table: Path) -> Path:
    """The file with the versions of a CSV table."""
    return table.with_name(f"{table.name}.json")


def _json_line(row: dict[str, Any], about: dict[str, Any]) -> str:
    return json.dumps({**row, **about}, ensure_ascii=False) + "\n"


def _write_parquet(
    path: Path, rows: Iterable[dict[str, Any]], columns: Sequence[str], about: dict[str, Any]
) -> None:
    pyarrow, parquet = _pyarrow()
    kinds = dict.fromkeys(_TEXTS, pyarrow.string())
    kinds |= dict.fromkeys(_TILE, pyarrow.int64())
    fields = [(name, kinds.get(name, pyarrow.float64())) for name in columns]
    made_with, protocol = (json.dumps(about[name]) for name in ("versions", "protocol"))
    metadata = {"gsn_jax": made_with, "gsn_jax_protocol": protocol}
    schema = pyarrow.schema(fields, metadata=metadata)
    parquet.write_table(pyarrow.Table.from_pylist(list(rows), schema=schema), path)


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise InputError("Parquet needs pyarrow; pip install 'gsn_jax[parquet]'") from None
    return pyarrow, pyarrow.parquet
