"""Computes the agreement of metrics with the opinion scores of a data set."""

from __future__ import annotations

import dataclasses
import math
from pathlib import PurePath

import numpy as np

from data_pipelines.sources import PairSource
from gsn_jax import agreement
from gsn_jax.agreement import percentile_interval
from gsn_jax.benchmark import published
from gsn_jax.benchmark.bootstrap import ContentBootstrap
from gsn_jax.benchmark.scored_set import MetricScores, ScoredSet, scores_fall

Interval = tuple[float, float]
_NO_INTERVAL = (math.nan, math.nan)
_FIT_PARAMETERS = 4


@dataclasses.dataclass(frozen=True)
class Agreement:
    """Agreement of a metric with people, over a set or one of its distortion types.

    Correlations are positive if the metric agrees in its own direction: a distance that falls with
    quality has a positive correlation. A negative one means that it contradicts people.

    Attributes:
        metric: name of the metric.
        kind: the distortion type; "" for the whole set.
        pairs: number of pairs that it scored.
        left_out: number of pairs that it could not score; no statistic includes them.
        contents: number of contents of the scored pairs.
        srcc: Spearman's rank correlation.
        krcc: Kendall's tau-b.
        plcc_raw: Pearson's correlation without a fit.
        plcc: Pearson's correlation after the 4-parameter logistic fit; NaN without a fit.
        rmse: root mean squared error after the fit, in the unit of the opinion scores.
        converged: whether the fit converged; if not, `plcc` and `rmse` are of the best curve found.
        seconds: time for one pair; NaN if not measured.
        intervals: statistic to its 95 % interval; for the whole set srcc, krcc, plcc_raw and
            plcc (with the curve held fixed), for a type srcc.
        constant_opinions: whether all opinion scores of these pairs are equal.
    """

    metric: str
    kind: str
    pairs: int
    left_out: int
    contents: int
    srcc: float
    krcc: float
    plcc_raw: float
    plcc: float
    rmse: float
    converged: bool
    seconds: float = math.nan
    intervals: dict[str, Interval] = dataclasses.field(default_factory=dict)
    constant_opinions: bool = False

    @property
    def main_score(self) -> float:
        """|PLCC| + |SRCC| with PLCC after the fit, as in published tables."""
        return abs(self.plcc) + abs(self.srcc)

    @property
    def main_score_raw(self) -> float:
        """|PLCC| + |SRCC| without a fit."""
        return abs(self.plcc_raw) + abs(self.srcc)

    @property
    def wrong_direction(self) -> bool:
        """Whether it contradicts people."""
        return self.srcc < 0

    def interval(self, statistic: str) -> Interval:
        """The 95 % interval of a statistic's absolute value; NaN if there is none."""
        low, high = self.intervals.get(statistic, _NO_INTERVAL)
        return (low, high) if not getattr(self, statistic) < 0 else (-high, -low)

    @property
    def notes(self) -> list[str]:
        """Short caveats on the numbers."""
        notes = []
        if self.pairs < 2:
            return [f"{self.left_out} left out"] * bool(self.left_out) + ["too few pairs"]
        if self.left_out:
            notes.append(f"{self.left_out} left out")
        if math.isnan(self.srcc):
            notes.append("constant opinions" if self.constant_opinions else "constant scores")
        if self.wrong_direction:
            notes.append("wrong direction")
        if self.pairs <= _FIT_PARAMETERS:
            notes.append("too few pairs for a fit")
        elif not self.converged:
            notes.append("fit did not converge")
        return notes


@dataclasses.dataclass(frozen=True)
class Judged:
    """The agreement of every metric of a scored set.

    Attributes:
        scored: the set.
        overall: metric name to its agreement over the whole set.
        types: distortion type to the same over the pairs of that type, sorted by type.
        against: the metric that the others are compared with; "" for none.
        differences: metric name to the 95 % interval of its SRCC minus that of `against`, by
            the paired bootstrap over contents; NaN if undefined.
    """

    scored: ScoredSet
    overall: dict[str, Agreement]
    types: dict[str, dict[str, Agreement]]
    against: str = ""
    differences: dict[str, Interval] = dataclasses.field(default_factory=dict)

    def significance(self, metric: str) -> str:
        """ "better", "worse" or "same" compared with `against`; "" if that is unknown."""
        low, high = self.differences.get(metric, _NO_INTERVAL)
        if math.isnan(low):
            return ""
        return "better" if low > 0 else "worse" if high < 0 else "same"


def judge(
    scored: ScoredSet,
    *,
    against: str = "gsn",
    resamples: int = 1000,
) -> Judged:
    """Computes the agreement of every metric of a set, overall and by distortion type.

    Args:
        scored: the set.
        against: metric to compare the others with; ignored if the set has no scores of it.
        resamples: number of bootstrap samples; 0 leaves out the intervals.
    """
    source = scored.source
    opinion = _opinion(source)
    samples = ContentBootstrap(source.reference_ids, resamples) if resamples else None
    overall = {
        name: _agreement(scores, opinion, source, samples)
        for name, scores in scored.metrics.items()
    }
    kinds = source.fields["distortion_type"]
    types = {
        kind: {
            name: _agreement(scores, opinion, source, samples, kind)
            for name, scores in scored.metrics.items()
        }
        for kind in sorted(set(kinds.tolist()) - {""}, key=_natural)
    }
    if against not in scored.metrics or samples is None:
        return Judged(scored, overall, types)
    return Judged(scored, overall, types, against, _differences(scored, against, opinion, samples))


def seen_in_training(scored: ScoredSet) -> dict[str, str]:
    """Maps each metric that was trained on this set to the name of those training data."""
    name = scored.name.removesuffix("-train")
    return {
        metric: data
        for metric, scores in scored.metrics.items()
        for data in scores.trained_on
        if name in _set_names(data)
    }


def _set_names(data: str) -> set[str]:
    """Names of the sets that have the pairs of training data: of `NAME:SPLIT`, or of a table.

    A table gives the names of its file and of its folder. TID2013 has the pairs of the regenerated
    TID2013.
    """
    name, table = data.partition(":")[0], PurePath(data)
    return {name, published.whole_set(name), table.stem, table.parent.name} - {"", "pairs"}


def oriented(scores: MetricScores) -> np.ndarray:
    """A metric's scores, negated if lower is better."""
    return scores.values if scores.higher_is_better else -scores.values


def _agreement(
    scores: MetricScores,
    opinion: np.ndarray,
    source: PairSource,
    samples: ContentBootstrap | None,
    kind: str = "",
) -> Agreement:
    member = source.fields["distortion_type"] == kind if kind else np.ones(len(source), bool)
    usable = member & np.isfinite(scores.values)
    contents = len(set(source.fields["reference_id"][usable].tolist()))
    pairs = int(usable.sum())
    counted = (scores.name, kind, pairs, int(member.sum()) - pairs, contents)
    if pairs < 2:
        nothing = (math.nan,) * 5
        return Agreement(*counted, *nothing, converged=False, seconds=scores.seconds)
    x, y = oriented(scores)[usable], opinion[usable]
    fit = agreement.logistic_fit(x, y)
    fitted = pairs > _FIT_PARAMETERS  # a curve through as many points as parameters fits any metric
    found = Agreement(
        *counted,
        srcc=agreement.srcc(x, y),
        krcc=agreement.krcc(x, y),
        plcc_raw=agreement.plcc(x, y),
        plcc=agreement.plcc(fit(x), y) if fitted else math.nan,
        rmse=agreement.rmse(fit(x), y) if fitted else math.nan,
        converged=fit.converged and fitted,
        seconds=scores.seconds,
        constant_opinions=bool(np.ptp(y) == 0),
    )
    if samples is None or contents < 2:
        return found
    x = oriented(scores)
    sampled = {"srcc": samples.srcc(x, opinion, usable)}
    if not kind:
        sampled["krcc"] = samples.krcc(x, opinion, usable)
        sampled["plcc_raw"] = samples.plcc(x, opinion, usable)
        if fitted:
            sampled["plcc"] = samples.plcc(fit(x), opinion, usable)
    intervals = {statistic: percentile_interval(values) for statistic, values in sampled.items()}
    return dataclasses.replace(found, intervals=intervals)


def _differences(
    scored: ScoredSet, against: str, opinion: np.ndarray, samples: ContentBootstrap
) -> dict[str, Interval]:
    """Interval of each metric's SRCC minus that of `against`, over the pairs that both scored."""
    base = oriented(scored.metrics[against])
    contents = np.asarray(scored.source.reference_ids)
    differences = {}
    for name, scores in scored.metrics.items():
        if name == against:
            continue
        other = oriented(scores)
        both = np.isfinite(base) & np.isfinite(other)
        if len(set(contents[both].tolist())) < 2:
            differences[name] = _NO_INTERVAL
            continue
        gained = samples.srcc(other, opinion, both) - samples.srcc(base, opinion, both)
        differences[name] = percentile_interval(gained)
    return differences


def _opinion(source: PairSource) -> np.ndarray:
    """The published opinion scores, negated if they fall with quality."""
    scores = np.asarray(source.fields["score"], np.float64)
    return -scores if scores_fall(source) else scores


def _natural(kind: str) -> tuple[int, float, str]:
    """Sort key: numbers by value, then words."""
    return (0, float(kind), "") if kind.replace(".", "", 1).isdigit() else (1, 0.0, kind)
