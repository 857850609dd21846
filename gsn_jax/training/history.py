"""Every evaluation of a run, as `workdir/evaluations.csv`: what learning curves are made of."""

from __future__ import annotations

import csv
from pathlib import Path

FILE = "evaluations.csv"
COLUMNS = ("step", "srcc", "plcc", "main_score")


def read_evaluations(workdir: Path) -> list[dict[str, float]]:
    """The evaluations of the run in `workdir` in order of their steps; [] where it has none."""
    file = workdir / FILE
    if not file.exists():
        return []
    with file.open(newline="", encoding="utf-8") as lines:
        return [
            {"step": int(row["step"])} | {name: float(row[name]) for name in COLUMNS[1:]}
            for row in csv.DictReader(lines)
        ]


def forget_evaluations_after(workdir: Path, step: int) -> None:
    """A run that continues from `step` makes the later evaluations once more."""
    kept = [row for row in read_evaluations(workdir) if row["step"] <= step]
    _write(workdir, kept)


def add_evaluation(workdir: Path, step: int, summary: dict[str, float]) -> None:
    """Appends what `Evaluation.summary` says of the model after `step` updates."""
    _write(workdir, [*read_evaluations(workdir), {"step": step} | summary])


def _write(workdir: Path, rows: list[dict[str, float]]) -> None:
    """Whole and at once: they are few, and a killed run must not leave half a line."""
    partial = workdir / f"{FILE}.partial"
    with partial.open("w", newline="", encoding="utf-8") as lines:
        writer = csv.DictWriter(lines, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    partial.replace(workdir / FILE)
