"""A pairs table: a CSV file in UTF-8 with the columns `reference`, `distorted` and any others."""

from __future__ import annotations

import csv
import dataclasses
import os
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path

from gsn_jax.errors import InputError, counted


@dataclasses.dataclass(frozen=True)
class Row:
    """One row of a pairs table.

    Attributes:
        line: its line number in the file.
        fields: column name to text.
        problem: why the row cannot be used; "" if it can.
    """

    line: int
    fields: dict[str, str]
    problem: str = ""


def read_rows(path: str | os.PathLike[str], columns: Sequence[str] = ()) -> Iterator[Row]:
    """The rows of a pairs table, without blank lines.

    Blanks around a cell are dropped, except at the beginning of a quoted one. Columns without a
    name, which spreadsheets append, are left out. An invalid row (wrong number of fields, no
    reference) carries its `problem`.

    Args:
        path: the table.
        columns: further columns that the header must contain.

    Raises:
        InputError: the table cannot be read, its header lacks a column, or there are no rows. The
            message names the file and, if it can, the line.
    """
    required = ("reference", "distorted", *columns)
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, strict=True, skipinitialspace=True)
            header = _without_empty_end([name.strip() for name in next(reader, [])], 0)
            _check_header(path, header, required)
            empty = True
            for cells in reader:
                if any(cell.strip() for cell in cells):
                    empty = False
                    cells = [cell.rstrip().lstrip("\t") for cell in cells]
                    yield _row(reader.line_num, header, cells)
            if empty:
                raise InputError(f"{path}: no pairs below the header line; add some")
    except FileNotFoundError:
        raise InputError(f"{path}: no such table; check the path") from None
    except IsADirectoryError:
        raise InputError(
            f"{path}: is a folder, not a CSV table; gsn score takes two folders of images with "
            "--reference-dir and --distorted-dir"
        ) from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        utf_16 = error.object[:2] in (b"\xff\xfe", b"\xfe\xff")
        encoding = "UTF-16 text" if utf_16 else "not UTF-8 text"
        raise InputError(f"{path}: {encoding}; save the table as CSV in UTF-8") from None
    except csv.Error as error:
        raise InputError(f"{path}, line {reader.line_num}: not valid CSV ({error})") from None


def _row(line: int, header: list[str], cells: list[str]) -> Row:
    cells = _without_empty_end(cells, len(header))
    fields = {name: "" for name in header if name}
    fields |= {name: cell for name, cell in zip(header, cells, strict=False) if name}
    if len(cells) != len(header):
        counts = f"{counted(len(cells), 'field')}, but the header has {len(header)}"
        return Row(line, fields, f"{counts}; correct the row, and quote names with commas")
    for name in ("reference", "distorted"):
        if not fields[name]:
            return Row(line, fields, f"no {name} given; name the image, or remove the row")
    return Row(line, fields)


def _without_empty_end(cells: list[str], least: int) -> list[str]:
    """The cells without empty ones at the end, but no fewer than `least`."""
    end = len(cells)
    while end > least and not cells[end - 1]:
        end -= 1
    return cells[:end]


def _check_header(path: str | os.PathLike[str], header: list[str], required: Sequence[str]) -> None:
    missing = [name for name in required if name not in header]
    if missing and len(header) == 1:
        if "\0" in header[0]:
            raise InputError(f"{path}: UTF-16 text; save the table as CSV in UTF-8")
        for separator, name in ((";", "semicolons"), ("\t", "tabs")):
            if separator in header[0]:
                raise InputError(f"{path}: separates columns by {name}; save it with commas")
    if missing:
        given = {name.lower(): name for name in header}
        capital = [given[name] for name in missing if name in given]
        advice = (
            f"write {', '.join(capital)} in lower case"
            if capital
            else f"a pairs table starts with the line {','.join(required)}"
        )
        raise InputError(f"{path}, line 1: the header lacks {', '.join(missing)}; {advice}")
    names = [name for name in header if name]
    if twice := [name for name in names if names.count(name) > 1]:
        raise InputError(f"{path}, line 1: the column {twice[0]} occurs twice; rename one")


def resolve(table: str | os.PathLike[str], name: str) -> Path:
    """The file that `name` stands for in a table.

    A relative name is relative to the table's folder and must stay below it; images elsewhere are
    given by absolute paths. A name that exists in another Unicode form (NFC or NFD, as in folders
    copied from a Mac) stands for the existing file.

    Raises:
        InputError: a relative name leads out of the table's folder, or no file can have the name.
    """
    if "\0" in name:
        raise InputError(f"{name!r}: a file name has no null bytes; correct it")
    if os.path.isabs(name):
        return _in_existing_form(Path(name))
    relative = os.path.normpath(name)
    if relative == ".." or relative.startswith(".." + os.sep):
        raise InputError(
            f"{name} lies outside the table's folder; give its absolute path, or move the table "
            "to a folder above the images"
        )
    return _in_existing_form(Path(table).parent / relative)


def _in_existing_form(path: Path) -> Path:
    if str(path).isascii() or os.path.exists(path):
        return path
    for form in ("NFC", "NFD"):
        for other in (
            path.with_name(unicodedata.normalize(form, path.name)),
            Path(unicodedata.normalize(form, str(path))),
        ):
            if os.path.exists(other):
                return other
    return path
