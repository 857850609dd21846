"""A pairs table: a CSV file in UTF-8 whose header names `reference`, `distorted` and any others."""

from __future__ import annotations

import csv
import dataclasses
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from gsn_jax.errors import InputError


@dataclasses.dataclass(frozen=True)
class Row:
    """One row of a pairs table.

    Attributes:
        line: its line number in the file.
        fields: column name to text, stripped.
        problem: what is wrong with the row itself, "" where nothing is.
    """

    line: int
    fields: dict[str, str]
    problem: str = ""


def read_rows(path: str | os.PathLike[str], columns: Sequence[str] = ()) -> Iterator[Row]:
    """The rows of a pairs table, blank lines left out.

    A row that is wrong in itself (too few fields, no reference) is given with its `problem`.

    Args:
        path: the table.
        columns: further columns that the header must name.

    Raises:
        InputError: the table cannot be read, or its header lacks a column; the message names the
            file and line.
    """
    required = ("reference", "distorted", *columns)
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, strict=True)
            header = [name.strip() for name in next(reader, [])]
            _check_header(path, header, required)
            for cells in reader:
                if any(cell.strip() for cell in cells):
                    yield _row(reader.line_num, header, [cell.strip() for cell in cells])
    except FileNotFoundError:
        raise InputError(f"{path}: no such table; check the path") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: not UTF-8 text; save the table as CSV in UTF-8") from None
    except csv.Error as error:
        raise InputError(f"{path}, line {reader.line_num}: not valid CSV ({error})") from None


def _row(line: int, header: list[str], cells: list[str]) -> Row:
    fields = dict(zip(header, cells, strict=False))
    fields = {name: fields.get(name, "") for name in header}
    if len(cells) != len(header):
        return Row(line, fields, f"{len(cells)} fields, but the header has {len(header)}")
    for name in ("reference", "distorted"):
        if not fields[name]:
            return Row(line, fields, f"no {name} given")
    return Row(line, fields)


def _check_header(path: str | os.PathLike[str], header: list[str], required: Sequence[str]) -> None:
    missing = [name for name in required if name not in header]
    if missing:
        raise InputError(
            f"{path}, line 1: the header lacks {', '.join(missing)}; a pairs table starts with "
            f"the line {','.join(required)}"
        )
    if len(set(header)) < len(header):
        raise InputError(f"{path}, line 1: a column name occurs twice in the header")


def resolve(table: str | os.PathLike[str], name: str) -> Path:
    """The file that a table means by `name`.

    A relative name is relative to the table's folder and may not leave it; an image elsewhere is
    named by its absolute path.

    Raises:
        InputError: a relative name leads out of the table's folder.
    """
    if os.path.isabs(name):
        return Path(name)
    relative = os.path.normpath(name)
    if relative == ".." or relative.startswith(".." + os.sep):
        raise InputError(
            f"{name} lies outside the table's folder; give its absolute path, or move the table "
            "above the images"
        )
    return Path(table).parent / relative
