"""A pairs table (a CSV file of images with opinion scores) as a source of pairs.

`gsn_jax.images.pair_tables` reads the file; this module checks its scores and images.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from data_pipelines import decoding
from data_pipelines.sources import PairSource
from gsn_jax.errors import InputError, counted, listed
from gsn_jax.images import pair_tables
from gsn_jax.images.files import Alpha, read_size

_LARGEST_LEVEL = 2**31 - 1


class PairTable(PairSource):
    """The pairs of a CSV file in UTF-8 with a header line.

    Columns: `reference,distorted,score[,quality][,score_std][,type][,level][,group]`; others are
    ignored. Relative paths are relative to the table's folder and must stay inside it; other images
    need absolute paths. `group` names the content and defaults to the reference's path.

    `quality` is the column of that name. Without that column, it is the score mapped linearly from
    `score_range`; without a range, the score must lie in [0, 1] and is used as it is, or as
    1 - score if lower is better.

    Args:
        path: the table.
        alpha: how to handle transparent pixels, see `gsn_jax.images.load_image`.
        score_range: smallest and largest possible score, mapped to quality 0 and 1.
        higher_is_better: direction of the score; False maps the largest score to quality 0.
        score_column: name of the column with the score, e.g. "mos".
        group_column: name of the column with the content.
        type_column: name of the column with the distortion type.

    Attributes:
        path: the table.
        text: every column of the table as text, by name.

    Raises:
        InputError: the table cannot be read, a column is missing, a value is not valid, or an
            image file does not exist; the message names table and line.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        alpha: Alpha = "refuse",
        score_range: tuple[float, float] | None = None,
        higher_is_better: bool = True,
        score_column: str = "score",
        group_column: str = "group",
        type_column: str = "type",
    ):
        self.path = Path(path)
        self._alpha = alpha
        rows = list(_read_rows(self.path, score_column))
        columns: dict[str, Any] = {}
        lines = [line for line, _ in rows]
        columns["score"] = [_number(path, line, row, score_column) for line, row in rows]
        columns["score_std"] = [
            _number(path, line, row, "score_std", optional=True) for line, row in rows
        ]
        columns["reference_id"] = [row.get(group_column) or row["reference"] for _, row in rows]
        columns["distortion_type"] = [row.get(type_column) or "" for _, row in rows]
        columns["distortion_level"] = [_level(path, line, row) for line, row in rows]
        columns["reference"] = [row["reference"] for _, row in rows]
        columns["distorted"] = [row["distorted"] for _, row in rows]
        if "quality" in rows[0][1]:
            columns["quality"] = [_quality(path, line, row) for line, row in rows]
        else:
            columns["quality"] = quality_of(
                columns["score"], lines, path, score_range, higher_is_better
            )
        self._paths = {
            name: [_resolve(path, line, row[name]) for line, row in rows]
            for name in ("reference", "distorted")
        }
        super().__init__(columns)
        self.text = {name: [row[name] for _, row in rows] for name in rows[0][1]}
        _check_files(self.path, lines, self._paths)

    def load_reference(self, index: int) -> np.ndarray:
        """See `PairSource`."""
        return decoding.read_image(self._paths["reference"][index], alpha=self._alpha)

    def load_distorted(self, index: int) -> np.ndarray:
        """See `PairSource`."""
        return decoding.read_image(self._paths["distorted"][index], alpha=self._alpha)

    def reference_key(self, index: int) -> str:
        """See `PairSource`."""
        return str(self._paths["reference"][index])

    def image_size(self, index: int) -> tuple[int, int] | None:
        """See `PairSource`; read from the file's header."""
        return read_size(self._paths["distorted"][index])

    def describe(self, index: int) -> str:
        """See `PairSource`."""
        return str(self._paths["distorted"][index])

    def files(self, index: int) -> tuple[Path, Path]:
        """See `PairSource`."""
        return self._paths["reference"][index], self._paths["distorted"][index]


def quality_of(
    scores: list[float],
    lines: list[int],
    path: str | os.PathLike[str],
    score_range: tuple[float, float] | None,
    higher_is_better: bool,
) -> np.ndarray:
    """Maps scores `(N,)` to float32 quality in [0, 1], up = better.

    Args:
        scores: the opinion scores.
        lines: their line numbers in the table, for error messages.
        path: the table, for error messages.
        score_range: see `PairTable`.
        higher_is_better: see `PairTable`.

    Raises:
        InputError: a score lies outside `score_range`, or outside [0, 1] without a range; or the
            range is empty.
    """
    values = np.asarray(scores, np.float64)
    low, high = score_range or (0.0, 1.0)
    if not low < high:
        raise InputError(f"score_range: needs low < high, got {score_range}")
    outside = np.flatnonzero((values < low) | (values > high))
    if outside.size:
        advice = (
            "correct the range or the score"
            if score_range
            else "state the range of the scores (gsn train: name the table as ('PATH.csv', worst, "
            "best); gsn datasets prepare: --score-range; Python: score_range), or add a column "
            "quality"
        )
        raise InputError(
            f"{path}, line {lines[outside[0]]}: score {values[outside[0]]:g} lies outside "
            f"[{low:g}, {high:g}]; {advice}"
        )
    quality = (values - low) / (high - low)
    return (quality if higher_is_better else 1 - quality).astype(np.float32)


def _read_rows(path: Path, score_column: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Line number and fields of each row.

    Raises:
        InputError: the table cannot be read, or a row is broken.
    """
    for row in pair_tables.read_rows(path, (score_column,)):
        if row.problem:
            raise InputError(f"{path}, line {row.line}: {row.problem}")
        yield row.line, row.fields


def _number(
    path: str | os.PathLike[str], line: int, row: dict[str, str], name: str, optional: bool = False
) -> float:
    text = row.get(name, "")
    if optional and not text:
        return math.nan
    value = as_number(text)
    if value is None:
        raise InputError(f"{path}, line {line}: {name} {text!r} is not a number")
    return value


def number(value: Any) -> float:
    """The finite number in a table's cell.

    Raises:
        ValueError: it is not one. `4_5`, which Python reads as 45, is refused too.
    """
    if isinstance(value, str) and "_" in value:
        raise ValueError(f"{value!r} is not a number")
    result = float(value)
    if not math.isfinite(result):
        raise ValueError(f"{value!r} is not a finite number")
    return result


def as_number(text: str) -> float | None:
    """Like `number`, but None if the text is not a finite number."""
    try:
        return number(text)
    except ValueError:
        return None


def _quality(path: str | os.PathLike[str], line: int, row: dict[str, str]) -> float:
    value = _number(path, line, row, "quality")
    if not 0 <= value <= 1:
        raise InputError(f"{path}, line {line}: quality {value:g} lies outside [0, 1]")
    return value


def _level(path: str | os.PathLike[str], line: int, row: dict[str, str]) -> int:
    text = row.get("level", "")
    try:
        if "_" in text:  # Python reads 4_5 as 45
            raise ValueError
        level = int(text) if text else 0
    except ValueError:
        raise InputError(f"{path}, line {line}: level {text!r} is not a whole number") from None
    if abs(level) > _LARGEST_LEVEL:
        raise InputError(
            f"{path}, line {line}: level {level} lies outside [-{_LARGEST_LEVEL}, {_LARGEST_LEVEL}]"
        )
    return level


def _resolve(table: str | os.PathLike[str], line: int, name: str) -> Path:
    try:
        return pair_tables.resolve(table, name)
    except InputError as error:
        raise InputError(f"{table}, line {line}: {error}") from None


def _check_files(path: Path, lines: list[int], files: dict[str, list[Path]]) -> None:
    """Checks that all images exist, rather than failing after hours of training.

    Raises:
        InputError: some do not; the message lists the first ones.
    """
    known: dict[Path, bool] = {}
    missing = []
    for position, line in enumerate(lines):
        for column in files.values():
            file = column[position]
            if file not in known:
                known[file] = file.is_file()
                if not known[file]:
                    missing.append(f"line {line}: no file {file}")
    if missing:
        raise InputError(
            f"{path}: {counted(len(missing), 'missing image')}: {listed(missing)}; "
            "paths are relative to the table's folder"
        )
