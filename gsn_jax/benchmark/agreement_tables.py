"""The agreement of metrics on one data set as tables and as CSV."""

from __future__ import annotations

import math
from collections.abc import Iterable

from gsn_jax.benchmark.agreement_rows import Agreement, Judged, seen_in_training
from gsn_jax.benchmark.scored_set import protocol_notes
from gsn_jax.benchmark.text_tables import Cell, TextTable
from gsn_jax.storage import csv_text

STATISTICS = ("srcc", "krcc", "plcc_raw", "plcc")
CSV_COLUMNS = (
    *("set", "metric", "type", "pairs", "left_out", "contents"),
    *(name + end for name in STATISTICS for end in ("", "_low", "_high")),
    *("rmse", "main_score", "main_score_raw", "wrong_direction", "fit_converged"),
    *("seconds_per_pair", "difference_low", "difference_high", "significance", "protocol"),
)


def overall_table(judged: Judged) -> TextTable:
    """One row per metric, sorted by main score."""
    headers = ["metric", "pairs", "SRCC", "95 % CI", "KRCC", "PLCC raw", "PLCC", "RMSE", "main"]
    headers += ["ms/pair"]
    compared, noted = bool(judged.differences), any(one.notes for one in judged.overall.values())
    headers += [f"SRCC vs {judged.against}"] * compared + ["notes"] * noted
    rows = []
    for found in by_main_score(judged.overall.values()):
        direction = judged.scored.metrics[found.metric].higher_is_better
        row = [
            f"{found.metric} {'↑' if direction else '↓'}",
            str(found.pairs),
            correlation(found.srcc),
            span(found.interval("srcc")),
            correlation(found.krcc),
            correlation(found.plcc_raw),
            correlation(found.plcc),
            number(found.rmse, ".3g"),
            number(found.main_score, ".3f"),
            number(1e3 * found.seconds, ".3g"),
        ]
        row += [judged.significance(found.metric)] * compared + [", ".join(found.notes)] * noted
        rows.append([Cell(text) for text in row])
    title = f"{judged.scored.name}: {judged.scored.size}"
    notes = protocol_notes(judged.scored)
    notes += [
        f"{name} was trained on {data}, so this set is not new to it."
        for name, data in seen_in_training(judged.scored).items()
    ]
    return TextTable(title, headers, rows, words=(0, *range(10, len(headers))), notes=notes)


def types_table(judged: Judged) -> TextTable:
    """SRCC of each metric (columns) on each distortion type (rows)."""
    names = list(judged.overall)
    rows = []
    for kind, found in judged.types.items():
        values = [
            correlation(found[name].srcc) + " wrong direction" * found[name].wrong_direction
            for name in names
        ]
        most = max(one.pairs + one.left_out for one in found.values())
        rows.append([Cell(text) for text in (kind, str(most), *values)])
    title = f"{judged.scored.name}: SRCC by distortion type"
    return TextTable(title, ["type", "pairs", *names], rows)


def tables(judged: Judged) -> list[TextTable]:
    """The table of the whole set, and the table by type if there are types."""
    return [overall_table(judged), *([types_table(judged)] if judged.types else [])]


def to_csv(judged: Judged) -> str:
    """All numbers of every metric and type, unrounded; the header is `CSV_COLUMNS`.

    Correlations are absolute values, as in the other tables; `wrong_direction` marks a metric
    that contradicts people. Undefined numbers are empty cells.
    """
    groups = (judged.overall, *judged.types.values())
    rows = (_csv_row(judged, found) for group in groups for found in group.values())
    return csv_text([CSV_COLUMNS, *rows])


def _csv_row(judged: Judged, found: Agreement) -> list[str]:
    difference, significance = (math.nan, math.nan), ""
    if not found.kind:
        difference = judged.differences.get(found.metric, difference)
        significance = judged.significance(found.metric)
    cells: list[object] = [judged.scored.name, found.metric, found.kind]
    cells += [found.pairs, found.left_out, found.contents]
    for statistic in STATISTICS:
        cells += [abs(getattr(found, statistic)), *found.interval(statistic)]
    cells += [found.rmse, found.main_score, found.main_score_raw]
    cells += [_yes(found.wrong_direction), _yes(found.converged), found.seconds]
    cells += [*difference, significance, judged.scored.metrics[found.metric].protocol]
    return ["" if _missing(cell) else str(cell) for cell in cells]


def by_main_score(found: Iterable[Agreement]) -> list[Agreement]:
    """Sorts by main score; metrics without one, or in the wrong direction, come last."""
    return sorted(
        found,
        key=lambda one: (
            math.isnan(one.main_score) or one.wrong_direction,
            0.0 if math.isnan(one.main_score) else -one.main_score,
        ),
    )


def correlation(value: float) -> str:
    """The absolute value of a correlation with three digits."""
    return number(abs(value), ".3f")


def span(bounds: tuple[float, float]) -> str:
    """An interval with three digits; "" if there is none."""
    return "" if math.isnan(bounds[0]) else f"{bounds[0]:.3f} to {bounds[1]:.3f}"


def number(value: float, form: str) -> str:
    """A number in the format `form`; "-" for NaN."""
    return "-" if math.isnan(value) else f"{value:{form}}"


def _missing(cell: object) -> bool:
    return isinstance(cell, float) and math.isnan(cell)


def _yes(value: bool) -> str:
    return "yes" if value else "no"
