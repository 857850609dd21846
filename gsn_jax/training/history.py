"""The evaluations of a run in `workdir/evaluations.csv`, for learning curves."""

from __future__ import annotations

import csv
from pathlib import Path

from gsn_jax.storage import csv_text, write_text

FILE = "evaluations.csv"
COLUMNS = ("step", "srcc", "plcc", "main_score")


def read_evaluations(workdir: Path) -> list[dict[str, float]]:
    """The evaluations of the run in `workdir`, sorted by step; [] if there are none."""
    file = workdir / FILE
    if not file.exists():
        return []
    lines = file.read_text(encoding="utf-8").splitlines()
    return [
        {"step": int(row["step"])} | {name: float(row[name]) for name in COLUMNS[1:]}
        for row in csv.DictReader(lines)
    ]


def forget_evaluations_after(workdir: Path, step: int) -> None:
    """Removes the evaluations after `step`, which a resumed run repeats."""
    kept = [row for row in read_evaluations(workdir) if row["step"] <= step]
    _write(workdir, kept)


def add_evaluation(workdir: Path, step: int, summary: dict[str, float]) -> None:
    """Appends the `Evaluation.summary` of the model after `step` updates, or replaces it."""
    forget_evaluations_after(workdir, step - 1)
    _write(workdir, [*read_evaluations(workdir), {"step": step} | summary])


def _write(workdir: Path, rows: list[dict[str, float]]) -> None:
    """Replaces the file atomically, so that a killed run cannot leave half a line."""
    table = [COLUMNS, *([row[name] for name in COLUMNS] for row in rows)]
    write_text(workdir / FILE, csv_text(table))
