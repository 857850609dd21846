"""The table of the GSN poster: PLCC, SRCC, KRCC and main score of metrics on several sets."""

from __future__ import annotations

import math
from collections.abc import Sequence

from gsn_jax.benchmark import published
from gsn_jax.benchmark.agreement_rows import Judged, seen_in_training
from gsn_jax.benchmark.agreement_tables import correlation, number
from gsn_jax.benchmark.scored_set import protocol_notes
from gsn_jax.benchmark.text_tables import Cell, TextTable
from gsn_jax.storage import csv_text

_STATISTICS = ("plcc", "srcc", "krcc", "main_score")
_MARKS = {"better": "+", "worse": "-", "same": "=", "": ""}
CSV_COLUMNS = (
    "set", "metric", "origin", "plcc", "srcc", "krcc", "main_score", "significance",
    "seconds_per_pair", "note",
)  # fmt: skip


def poster_table(sets: Sequence[Judged]) -> TextTable:
    """One row per metric, sorted by mean main score, with published rows below their metric."""
    headers = ["metric"]
    for judged in sets:
        headers += [f"{judged.scored.name}\nPLCC", "SRCC", "KRCC", "MS"]
        headers += [f"vs {judged.against}"] * bool(judged.differences) + ["ms/pair"]
    standings = [_standings(judged) for judged in sets]
    rows = []
    for name in _order(sets):
        measured = any(name in judged.overall for judged in sets)
        if measured:
            cells = [
                _measured(judged, name, at) for judged, at in zip(sets, standings, strict=True)
            ]
            rows.append([Cell(name), *(cell for group in cells for cell in group)])
        known = [published.rows(judged.scored.name).get(name) for judged in sets]
        if any(known):
            method = next(row.method for row in known if row)
            cells = [_published(judged, row) for judged, row in zip(sets, known, strict=True)]
            label = Cell(f"{method}, published", aside=True)
            rows.append([label, *(cell for group in cells for cell in group)])
    return TextTable("Agreement with people", headers, rows, notes=_notes(sets))


def to_csv(sets: Sequence[Judged]) -> str:
    """Measured and published rows of every set; the header is `CSV_COLUMNS`."""
    rows: list[Sequence[str]] = [CSV_COLUMNS]
    for judged in sets:
        name = judged.scored.name
        known = published.rows(name)
        for metric in _order([judged]):
            if metric in judged.overall:
                found = judged.overall[metric]
                values = [abs(getattr(found, statistic)) for statistic in _STATISTICS]
                texts = ["" if math.isnan(value) else str(value) for value in values]
                seconds = "" if math.isnan(found.seconds) else str(found.seconds)
                significance = judged.significance(metric)
                protocol = judged.scored.metrics[metric].protocol
                notes = "; ".join(filter(None, [protocol, *found.notes]))
                rows.append([name, metric, "measured", *texts, significance, seconds, notes])
            if metric in known:
                row = known[metric]
                values = [getattr(row, statistic) for statistic in _STATISTICS]
                texts = ["" if math.isnan(value) else str(value) for value in values]
                note = row.source + ("" if row.certain else "; uncertain")
                note += f"; {row.note}" if row.note else ""
                rows.append([name, metric, "published", *texts, "", "", note])
    return csv_text(rows)


def _order(sets: Sequence[Judged]) -> list[str]:
    """Metrics sorted by mean main score over the sets, then those with published rows only."""
    names = dict.fromkeys(name for judged in sets for name in judged.overall)

    def mean(name: str) -> float:
        scores = [
            judged.overall[name].main_score
            for judged in sets
            if name in judged.overall and not judged.overall[name].wrong_direction
        ]
        scores = [score for score in scores if not math.isnan(score)]
        return sum(scores) / len(scores) if scores else -1.0

    others = (name for judged in sets for name in published.rows(judged.scored.name))
    return list(dict.fromkeys([*sorted(names, key=mean, reverse=True), *others]))


def _standings(judged: Judged) -> dict[str, dict[str, int]]:
    """Maps statistic and printed text to rank 1 or 2, so that equal texts have equal ranks."""
    standings = {}
    for statistic in _STATISTICS:
        values = {
            correlation(getattr(found, statistic))
            for found in judged.overall.values()
            if not found.wrong_direction and not math.isnan(getattr(found, statistic))
        }
        best = sorted(values, key=float, reverse=True)[:2]
        standings[statistic] = {text: place for place, text in enumerate(best, 1)}
    return standings


def _measured(judged: Judged, name: str, standings: dict[str, dict[str, int]]) -> list[Cell]:
    if name not in judged.overall:
        return _empty(judged)
    found = judged.overall[name]
    cells = []
    for statistic in _STATISTICS:
        text = correlation(getattr(found, statistic))
        wrong = found.wrong_direction and text != "-"
        standing = 0 if wrong else standings[statistic].get(text, 0)
        cells.append(Cell(text + "!" * wrong, standing))
    if judged.differences:
        cells.append(Cell(_MARKS[judged.significance(name)]))
    return [*cells, Cell(number(1e3 * found.seconds, ".3g"))]


def _published(judged: Judged, row: published.PublishedRow | None) -> list[Cell]:
    if row is None:
        return _empty(judged)
    doubt = "" if row.certain else "?"
    cells = [Cell(correlation(getattr(row, name)) + doubt, aside=True) for name in _STATISTICS]
    return [*cells, *(Cell("") for _ in range(1 + bool(judged.differences)))]


def _empty(judged: Judged) -> list[Cell]:
    return [Cell("") for _ in range(5 + bool(judged.differences))]


def _notes(sets: Sequence[Judged]) -> list[str]:
    """Explanations below the table."""
    notes = [
        "PLCC after a 4-parameter logistic fit; MS = PLCC + SRCC; the best and second-best "
        "measured values are marked."
    ]
    for judged in sets:
        name = judged.scored.name
        line = f"{name}: {judged.scored.size}"
        if published.rows(name) and published.whole_set(name) != name:
            line += f"; published rows cover all pairs of {published.whole_set(name)}"
        notes.append(line + ".")
        notes += [f"{name}: {note}" for note in protocol_notes(judged.scored)]
        for metric, data in seen_in_training(judged.scored).items():
            notes.append(f"{metric} was trained on {data}, so {name} is not new to it.")
        for found in judged.overall.values():
            if found.notes:
                notes.append(f"{name}, {found.metric}: {', '.join(found.notes)}.")
    against = next((judged.against for judged in sets if judged.differences), None)
    if against:
        notes.append(
            f"vs {against}: SRCC better (+) or worse (-) than that of {against} at 95 % "
            "confidence (paired bootstrap over contents); = means no significant difference."
        )
    if any(found.wrong_direction for judged in sets for found in judged.overall.values()):
        notes.append("! marks a metric that contradicts people.")
    known = [row for judged in sets for row in published.rows(judged.scored.name).values()]
    notes += dict.fromkeys(f"Published {row.method}: {row.note}." for row in known if row.note)
    if not all(row.certain for row in known):
        notes.append("? marks a published number read from a barely legible copy.")
    return notes
