"""Published agreement of full-reference methods with people, to print beside measured numbers.

`published.csv` has the rows and their sources. `certain` is "no" for numbers from a garbled copy,
which are printed with a question mark.
"""

from __future__ import annotations

import csv
import dataclasses
import functools
import importlib.resources
import math

# Sets that hold some of the pairs of a set with published rows.
_PARTS = {"tid2013_regenerated": "tid2013"}


@dataclasses.dataclass(frozen=True)
class PublishedRow:
    """Published numbers of a method on a whole data set.

    Attributes:
        data_set: name of the set.
        method: name of the method in the publication.
        metric: name of the method in gsn_jax.
        plcc: Pearson's correlation after the logistic fit; NaN if that was not published.
        srcc: Spearman's rank correlation.
        krcc: Kendall's rank correlation; NaN if not published.
        main_score: PLCC + SRCC; NaN if `plcc` is.
        certain: whether the copy of the numbers was legible.
        source: the publication.
        note: how the method differs from our metric; "" if it does not.
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
    """Published rows of a set, or of the set that it is part of, by name of the metric.

    Args:
        data_set: name of a set, with or without its split ("tid2013_regenerated-reserved").
    """
    whole = whole_set(data_set)
    return {row.metric: row for row in _read() if row.data_set == whole}


def whole_set(data_set: str) -> str:
    """Name of the whole set that a set, or a split of one, is taken from."""
    name = data_set.partition("-")[0]
    return _PARTS.get(name, name)


@functools.cache
def _read() -> list[PublishedRow]:
    text = importlib.resources.files("gsn_jax.benchmark").joinpath("published.csv").read_text()
    return [
        PublishedRow(
            data_set=row["set"],
            method=row["method"],
            metric=row["metric"],
            plcc=_number(row["plcc"]),
            srcc=float(row["srcc"]),
            krcc=_number(row["krcc"]),
            main_score=_number(row["main_score"]),
            certain=row["certain"] == "yes",
            source=row["source"],
            note=row["note"],
        )
        for row in csv.DictReader(text.splitlines())
    ]


def _number(text: str) -> float:
    return float(text) if text else math.nan
