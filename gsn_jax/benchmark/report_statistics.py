"""The numbers of a report's tables and plots."""

from __future__ import annotations

import dataclasses

import numpy as np

from gsn_jax import agreement
from gsn_jax.benchmark.report_examples import scores_fall, usable
from gsn_jax.benchmark.scored_set import MetricScores, ScoredSet

_NAN = float("nan")


@dataclasses.dataclass(frozen=True)
class Agreement:
    """How a metric agrees with people on one set; NaN where a number does not exist.

    Attributes:
        pairs: number of pairs with a score.
        srcc: rank correlation, positive where better scores go with better opinions.
        srcc_interval: its 95 % confidence interval, by reference content.
        krcc: Kendall's tau-b, likewise signed.
        plcc: linear correlation after the logistic fit.
        rmse: error after the fit, in the unit of the opinion scores.
        main_score: |PLCC after the fit| + |SRCC|.
        fit: from the metric's scores to opinion scores; None where there is none.
    """

    pairs: int
    srcc: float
    srcc_interval: tuple[float, float]
    krcc: float
    plcc: float
    rmse: float
    main_score: float
    fit: agreement.LogisticFit | None


def judge(scored: ScoredSet, metric: MetricScores) -> Agreement:
    """The agreement of one metric with people, over all pairs that it scored."""
    rows = np.flatnonzero(usable(metric))
    if len(rows) < 2:
        return Agreement(len(rows), _NAN, (_NAN, _NAN), _NAN, _NAN, _NAN, _NAN, None)
    values, scores = metric.values[rows], scored.source.fields["score"][rows]
    signed = values * _sign(scored, metric)
    groups = np.asarray(scored.source.reference_ids)[rows]
    fit = agreement.logistic_fit(values, scores)
    srcc, plcc = agreement.srcc(signed, scores), agreement.plcc(fit(values), scores)
    return Agreement(
        pairs=len(rows),
        srcc=srcc,
        srcc_interval=agreement.bootstrap_ci(agreement.srcc, signed, scores, groups),
        krcc=agreement.krcc(signed, scores),
        plcc=plcc,
        rmse=agreement.rmse(fit(values), scores),
        main_score=abs(plcc) + abs(srcc),
        fit=fit,
    )


def srcc_by_type(scored: ScoredSet, metric: MetricScores) -> dict[str, float]:
    """Distortion type to the signed SRCC within it; NaN where it does not exist."""
    types = scored.source.fields["distortion_type"]
    scores, signed = scored.source.fields["score"], metric.values * _sign(scored, metric)
    rows_of = {
        str(name): np.flatnonzero((types == name) & usable(metric)) for name in np.unique(types)
    }
    return {
        name: agreement.srcc(signed[rows], scores[rows]) if len(rows) >= 2 else _NAN
        for name, rows in rows_of.items()
    }


def _sign(scored: ScoredSet, metric: MetricScores) -> int:
    return 1 if metric.higher_is_better != scores_fall(scored.source) else -1
