"""Published agreement of full-reference methods with people, to print beside what was measured.

The rows are in `published.csv` with their source. `certain` is "no" where the only copy at hand was
garbled; such numbers are printed with a question mark.
"""

from __future__ import annotations

import csv
import dataclasses
import importlib.resources

# Sets that hold some of the pairs of a set with published rows.
_PARTS = {"tid2013_regenerated": "tid2013"}


@dataclasses.dataclass(frozen=True)
class PublishedRow:
    """What a publication says of a method on a whole data set.

    Attributes:
        data_set: name of the set.
        method: as it is called there.
        metric: our name of it.
        plcc: after the logistic fit, as all published rows.
        srcc: Spearman's rank correlation.
        krcc: Kendall's rank correlation.
        main_score: PLCC + SRCC.
        certain: whether the numbers are beyond doubt.
        source: where they are printed.
        note: how the method differs from our metric of that name, "" where it does not.
    """

    data_set: str
    method: str
    metric: str
    plcc: float
    srcc: float
    krcc: float
    main_score: float
    certain: bool
    source: str
    note: str


def rows(data_set: str) -> dict[str, PublishedRow]:
    """Published rows for a set or the set that it is a part of, by our name of the metric.

    Args:
        data_set: name of a set, with or without its split ("tid2013_regenerated-reserved").
    """
    whole = whole_set(data_set)
    return {row.metric: row for row in _read() if row.data_set == whole}


def whole_set(data_set: str) -> str:
    """The set with published rows that a set is, or holds some pairs of."""
    name = data_set.partition("-")[0]
    return _PARTS.get(name, name)


def _read() -> list[PublishedRow]:
    text = importlib.resources.files("gsn_jax.benchmark").joinpath("published.csv").read_text()
    return [
        PublishedRow(
            row["set"],
            row["method"],
            row["metric"],
            *(float(row[name]) for name in ("plcc", "srcc", "krcc", "main_score")),
            row["certain"] == "yes",
            row["source"],
            row["note"],
        )
        for row in csv.DictReader(text.splitlines())
    ]
