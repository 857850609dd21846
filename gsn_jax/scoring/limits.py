"""Limits: the worst scores that pass a check."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

from gsn_jax.metric import Metric
from gsn_jax.scoring import pooling


@dataclasses.dataclass(frozen=True)
class Limit:
    """The worst score of a metric that passes.

    Attributes:
        metric: the metric.
        value: a lower bound for a quality, an upper bound for a distance.
        key: name of the score: that of the metric, or of a statistic of its scores, see
            `gsn_jax.scoring.pooling`.
    """

    metric: Metric
    value: float
    key: str

    def passes(self, score: float) -> bool:
        """Whether a score passes, rounded to the six decimals that are printed."""
        score = round(score, 6) if math.isfinite(score) else score
        return score >= self.value if self.metric.higher_is_better else score <= self.value

    def complaint(self, scores: Mapping[str, float]) -> str:
        """A message if the score of a pair fails; "" if it passes or the pair has no scores.

        A statistic that the scores of a sequence do not have, as the harmonic mean of negative
        ones, fails.
        """
        score = scores.get(self.key)
        if score is None:
            undefined = pooling.key_of(self.metric.name) in scores
            return f"{self.key} is undefined, because some scores are negative" if undefined else ""
        if self.passes(score):
            return ""
        relation = "below" if self.metric.higher_is_better else "above"
        return f"{self.key} {score:.6f} is {relation} {self.value:.10g}"
