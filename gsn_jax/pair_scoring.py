"""Scoring many pairs of files: decoding runs ahead of computing, a bad pair spoils nothing else."""

from __future__ import annotations

import collections
import csv
import dataclasses
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np

from gsn_jax import pair_tables
from gsn_jax.errors import InputError
from gsn_jax.images import MAX_PIXELS, Alpha, as_pair
from gsn_jax.metric import Metric

# Pairs decoded before they are needed; bounds the memory.
_AHEAD = 4


@dataclasses.dataclass(frozen=True)
class Pair:
    """Two files to compare.

    Attributes:
        reference: name of the reference as it was given.
        distorted: name of the distorted image as it was given.
        reference_file: where it is; None where `problem` says why not.
        distorted_file: likewise.
        problem: what is wrong with the pair before any file was opened, "" where nothing is.
    """

    reference: str
    distorted: str
    reference_file: Path | None
    distorted_file: Path | None
    problem: str = ""


@dataclasses.dataclass(frozen=True)
class ScoredPair:
    """A pair with its scores.

    Attributes:
        pair: the pair.
        scores: metric name to score; empty where `error` says why.
        error: one line, "" where all went well.
    """

    pair: Pair
    scores: dict[str, float]
    error: str = ""


def pairs_of_table(table: str | os.PathLike[str]) -> list[Pair]:
    """The pairs of a pairs table, in its order; a bad row is a pair with its problem.

    Raises:
        InputError: the table itself cannot be read.
    """
    return [_pair_of_row(table, row) for row in pair_tables.read_rows(table)]


def _pair_of_row(table: str | os.PathLike[str], row: pair_tables.Row) -> Pair:
    names = row.fields["reference"], row.fields["distorted"]
    if row.problem:
        return Pair(*names, None, None, f"line {row.line}: {row.problem}")
    try:
        return Pair(*names, *(pair_tables.resolve(table, name) for name in names))
    except InputError as error:
        return Pair(*names, None, None, f"line {row.line}: {error}")


def score_pairs(
    pairs: Iterable[Pair],
    metrics: Sequence[Metric],
    *,
    alpha: Alpha = "refuse",
    max_pixels: int = MAX_PIXELS,
) -> Iterator[ScoredPair]:
    """Scores pairs in their order, while the next ones are decoded.

    Args:
        pairs: what to score.
        metrics: each scores every pair.
        alpha: see `gsn_jax.images.load_image`.
        max_pixels: see `gsn_jax.images.load_image`.

    Yields:
        One `ScoredPair` per pair; a pair that cannot be scored carries its error.
    """

    def decode(pair: Pair) -> tuple[np.ndarray, np.ndarray]:
        if pair.problem:
            raise InputError(pair.problem)
        return as_pair(pair.reference_file, pair.distorted_file, alpha=alpha, max_pixels=max_pixels)

    with ThreadPoolExecutor(max_workers=2) as executor:
        waiting: collections.deque[tuple[Pair, Future]] = collections.deque()
        for pair in pairs:
            waiting.append((pair, executor.submit(decode, pair)))
            if len(waiting) > _AHEAD:
                yield _score(*waiting.popleft(), metrics)
        while waiting:
            yield _score(*waiting.popleft(), metrics)


def _score(pair: Pair, decoded: Future, metrics: Sequence[Metric]) -> ScoredPair:
    try:
        reference, distorted = decoded.result()
        scores = {metric.name: float(metric(reference, distorted)) for metric in metrics}
    except InputError as error:
        return ScoredPair(pair, {}, str(error))
    return ScoredPair(pair, scores)


def write_table(
    path: str | os.PathLike[str], scored: Iterable[ScoredPair], names: Sequence[str]
) -> None:
    """Writes `reference,distorted`, a column per metric and `error`, one row per pair.

    The table appears under its name only when it is complete.

    Raises:
        InputError: it cannot be written.
    """
    target = Path(path)
    partial = target.with_name(f".{target.name}.partial")
    try:
        with open(partial, "w", newline="", encoding="utf-8") as file:
            write_rows(file, scored, names)
        partial.replace(target)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror})") from None
    finally:
        partial.unlink(missing_ok=True)


def write_rows(file: object, scored: Iterable[ScoredPair], names: Sequence[str]) -> None:
    """The rows of `write_table` into an open text file."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["reference", "distorted", *names, "error"])
    for item in scored:
        values = [f"{item.scores[name]:.6f}" if name in item.scores else "" for name in names]
        writer.writerow([item.pair.reference, item.pair.distorted, *values, item.error])
