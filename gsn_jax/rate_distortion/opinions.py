"""Compares BD-rates by opinion scores of settings with those by metrics."""

from __future__ import annotations

import csv
import dataclasses
import math
import os
from collections.abc import Mapping, Sequence

import numpy as np
from scipy import stats

from data_pipelines.tables import number
from gsn_jax import agreement
from gsn_jax.errors import InputError
from gsn_jax.rate_distortion import deltas
from gsn_jax.rate_distortion.curves import Curve, Grid, grids, make_curve
from gsn_jax.rate_distortion.encodings import Study

_NAMES = ("setting", "method")
_SCORES = ("elo", "mos", "score")
# Columns of the bounds, and how many standard deviations they are apart.
_BOUNDS = (
    ("p99Low", "p99Hi", 2 * stats.norm.ppf(0.995)),
    ("low", "high", 2 * stats.norm.ppf(0.975)),
)


@dataclasses.dataclass(frozen=True)
class Opinion:
    """The opinion of one setting.

    Attributes:
        score: mean opinion or Elo, higher is better.
        deviation: standard deviation of the score, NaN if the table has no bounds.
        rate: mean bits per pixel of the judged files, NaN if the table does not say.
    """

    score: float
    deviation: float
    rate: float


@dataclasses.dataclass(frozen=True)
class Seen:
    """A BD-rate of mean curves.

    Attributes:
        value: in percent; NaN if `problem` says why there is none.
        low: lower end of the 95 % interval, or NaN.
        high: its upper end.
        problem: "" if there is a value.
    """

    value: float
    low: float = math.nan
    high: float = math.nan
    problem: str = ""


@dataclasses.dataclass(frozen=True)
class Verdict:
    """BD-rates by people and by metrics, on the same settings.

    Attributes:
        anchor: the codec that the others are compared with.
        people: codec to the BD-rate by opinions.
        metrics: metric to codec to the BD-rate of its mean curves.
        srcc: metric to the rank correlation of its means with opinions, over all settings.
        images: metric to the number of photographs in its means.
        settings: number of settings with opinions.
        unmatched: names in the table of opinions that match no setting.
        rate_errors: setting to the relative difference of its bits per pixel from the table's.
    """

    anchor: str
    people: Mapping[str, Seen]
    metrics: Mapping[str, Mapping[str, Seen]]
    srcc: Mapping[str, float]
    images: Mapping[str, int]
    settings: int
    unmatched: Sequence[str]
    rate_errors: Mapping[str, float]

    def difference(self, metric: str) -> float:
        """Mean absolute difference of a metric's BD-rates from people's, in percentage points.

        It is over the codecs for which people have a BD-rate; NaN if the metric lacks one of them.
        """
        found = [
            abs(self.metrics[metric][codec].value - seen.value)
            for codec, seen in self.people.items()
            if not seen.problem
        ]
        return float(np.mean(found)) if found else math.nan

    @property
    def nearest(self) -> str | None:
        """The metric with the smallest difference."""
        known = [name for name in self.metrics if math.isfinite(self.difference(name))]
        return min(known, key=self.difference) if known else None


def read_opinions(path: str | os.PathLike[str]) -> dict[str, Opinion]:
    """The opinions of a CSV table, by name of the setting.

    The name is in the column `setting` or `method`, the score in `elo`, `mos` or `score`. Bounds
    are in `p99Low` and `p99Hi` (99 %) or `low` and `high` (95 %), bits per pixel in `bpp`.

    Raises:
        InputError: the table cannot be read, lacks a column, names a setting twice, or has a value
            that is not a number.
    """
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            columns = reader.fieldnames or []
            rows = [(reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: cannot be read ({reason})") from None
    name, score = (
        next((column for column in known if column in columns), None) for known in (_NAMES, _SCORES)
    )
    if name is None or score is None:
        raise InputError(
            f"{path}, line 1: the header needs {' or '.join(_NAMES)}, and {' or '.join(_SCORES)}"
        )
    bounds = next((found for found in _BOUNDS if {*found[:2]} <= {*columns}), None)
    opinions: dict[str, Opinion] = {}
    for line, row in rows:
        setting = (row[name] or "").strip()
        if not setting or setting in opinions:
            problem = f"{setting} occurs twice; keep one row" if setting else f"no {name} given"
            raise InputError(f"{path}, line {line}: {problem}")
        try:
            deviation = math.nan
            if bounds is not None:
                deviation = (number(row[bounds[1]]) - number(row[bounds[0]])) / bounds[2]
            rate = number(row["bpp"]) if row.get("bpp") else math.nan
            opinions[setting] = Opinion(number(row[score]), deviation, rate)
        except (TypeError, ValueError):
            raise InputError(
                f"{path}, line {line}: a score, bound or bpp is not a number"
            ) from None
    if not opinions:
        raise InputError(f"{path}: has no rows below its header; add one row per setting")
    return opinions


def judge(
    study: Study, opinions: Mapping[str, Opinion], anchor: str, *, resamples: int = 2000
) -> Verdict:
    """Compares the BD-rates of metrics with those of people, on the same settings and bytes.

    Opinions belong to settings and not to photographs, so all BD-rates here are those of mean
    curves. The intervals of metrics are jackknife intervals over photographs of the logarithm of
    the ratio (`deltas.jackknife_interval`). Those of people follow from the bounds of their scores
    to first order; the scores are taken as independent.

    Args:
        study: encodings with scores.
        opinions: name of the setting, which is `SETTING` or `CODEC-SETTING`, to its opinion.
        anchor: the codec that the others are compared with.
        resamples: number of bootstrap samples; 0 for no intervals.

    Raises:
        InputError: the anchor or all other codecs have no setting with an opinion, or several
            codecs have the setting of an opinion that names no codec.
    """
    tables = {metric: grids(study, metric) for metric in study.scores}
    settings = {codec: grid.settings for codec, grid in next(iter(tables.values())).items()}
    for name in opinions:
        having = [codec for codec, its in settings.items() if name in its]
        if len(having) > 1:
            raise InputError(
                f"--opinions: {name} is a setting of {' and '.join(having)}; name the codec too, "
                f"as in {having[0]}-{name}"
            )
    matched = {
        codec: {
            place: name
            for place, setting in enumerate(its)
            for name in (setting, f"{codec}-{setting}")
            if name in opinions
        }
        for codec, its in settings.items()
    }
    matched = {codec: places for codec, places in matched.items() if places}
    if anchor not in matched or len(matched) < 2:
        raise InputError(
            f"--opinions: the table must rate settings of {anchor} and another codec, named "
            f"SETTING or CODEC-SETTING; it has {', '.join(list(opinions)[:3])}, ..."
        )
    rates = {codec: _rates(tables, codec, list(places)) for codec, places in matched.items()}
    others = [codec for codec in matched if codec != anchor]
    scores = {
        codec: np.asarray([opinions[name].score for name in places.values()])
        for codec, places in matched.items()
    }
    deviations = {
        codec: np.asarray([opinions[name].deviation for name in places.values()])
        for codec, places in matched.items()
    }
    people = {
        codec: _people(
            [rates[anchor], rates[codec]],
            [scores[anchor], scores[codec]],
            [deviations[anchor], deviations[codec]],
        )
        for codec in others
    }
    kept = {
        metric: {codec: _columns(found[codec], list(places)) for codec, places in matched.items()}
        for metric, found in tables.items()
    }
    metrics = {
        metric: {
            codec: _metric(found[anchor], found[codec], study.higher_is_better[metric], resamples)
            for codec in others
        }
        for metric, found in kept.items()
    }
    names = {name for places in matched.values() for name in places.values()}
    return Verdict(
        anchor,
        people,
        metrics,
        {metric: _srcc(kept[metric], scores, study.higher_is_better[metric]) for metric in kept},
        {
            metric: min(int(grid.complete.sum()) for grid in found.values())
            for metric, found in kept.items()
        },
        len(names),
        [name for name in opinions if name not in names],
        {
            name: float(rate / opinions[name].rate - 1)
            for codec, places in matched.items()
            for name, rate in zip(places.values(), rates[codec], strict=True)
            if math.isfinite(opinions[name].rate)
        },
    )


def _rates(
    tables: Mapping[str, Mapping[str, Grid]], codec: str, places: Sequence[int]
) -> np.ndarray:
    """Mean bits per pixel of some settings, over all photographs that have them."""
    return np.nanmean(next(iter(tables.values()))[codec].rates[:, places], axis=0)


def _columns(grid: Grid, places: Sequence[int]) -> Grid:
    rates, scores = grid.rates[:, places], grid.scores[:, places]
    complete = np.isfinite(rates).all(axis=1) & np.isfinite(scores).all(axis=1)
    return Grid(tuple(grid.settings[place] for place in places), rates, scores, complete)


def _curve(rates: np.ndarray, scores: np.ndarray) -> Curve:
    return make_curve(rates, scores, [str(k) for k in range(len(rates))], higher_is_better=True)


def _people(
    rates: Sequence[np.ndarray], scores: Sequence[np.ndarray], deviations: Sequence[np.ndarray]
) -> Seen:
    """People's BD-rate, with an interval by the delta method on the logarithm of the ratio."""

    def bd_rate(both: Sequence[np.ndarray]) -> deltas.Delta:
        curves = [_curve(rate, score) for rate, score in zip(rates, both, strict=True)]
        return deltas.bd_rate(*curves, higher_is_better=True)

    found = bd_rate(scores)
    if found.problem or not all(np.isfinite(d).all() for d in deviations):
        return Seen(found.value, problem=found.problem)
    centre, variance = math.log1p(found.value / 100), 0.0
    for side in (0, 1):
        for place, deviation in enumerate(deviations[side]):
            if not deviation:
                continue
            # A small step, so that the curves stay monotone.
            step = 0.05 * deviation
            moved = [score.copy() for score in scores]
            moved[side][place] += step
            variance += ((math.log1p(bd_rate(moved).value / 100) - centre) / step * deviation) ** 2
    reach = stats.norm.ppf(0.975) * math.sqrt(variance)
    low, high = (100 * math.expm1(centre + sign * reach) for sign in (-1, 1))
    return Seen(found.value, low, high)


def _metric(anchor: Grid, test: Grid, higher: bool, resamples: int) -> Seen:
    both = np.flatnonzero(anchor.complete & test.complete)

    def value(drawn: np.ndarray) -> deltas.Delta:
        weights = np.zeros(len(anchor.complete))
        weights[both] = drawn
        curves = [grid.mean(higher_is_better=higher, weights=weights) for grid in (anchor, test)]
        return deltas.bd_rate(*curves, higher_is_better=higher)

    found = value(np.ones(len(both)))
    if found.problem:
        return Seen(found.value, problem=found.problem)
    ends = deltas.jackknife_interval(
        lambda drawn: math.log1p(value(drawn).value / 100), len(both), resamples=resamples
    )
    low, high = (100 * math.expm1(end) for end in ends)
    return Seen(found.value, low, high)


def _srcc(found: Mapping[str, Grid], scores: Mapping[str, np.ndarray], higher: bool) -> float:
    both = np.logical_and.reduce([grid.complete for grid in found.values()])
    if not both.any():
        return math.nan
    means = np.concatenate([grid.scores[both].mean(axis=0) for grid in found.values()])
    opinions = np.concatenate([scores[codec] for codec in found])
    return agreement.srcc(means if higher else -means, opinions)
