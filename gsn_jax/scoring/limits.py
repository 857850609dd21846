"""The worst score that passes a check."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

from gsn_jax.metric import Metric


@dataclasses.dataclass(frozen=True)
class Limit:
    """A metric's worst score that passes.

    Attributes:
        metric: the metric.
        value: at least this for a quality, at most this for a distance.
        key: the score's name; the metric's, or that of a statistic of it, see
            `gsn_jax.scoring.pooling`.
    """

    metric: Metric
    value: float
    key: str

    def passes(self, score: float) -> bool:
        """Whether a score passes, at six decimals: those are printed, and float32 rounds."""
        score = round(score, 6) if math.isfinite(score) else score
        return score >= self.value if self.metric.higher_is_better else score <= self.value

    def complaint(self, scores: Mapping[str, float]) -> str:
        """What is wrong with the scores of a pair; "" if they pass or lack this one."""
        score = scores.get(self.key)
        if score is None or self.passes(score):
            return ""
        relation = "below" if self.metric.higher_is_better else "above"
        return f"{self.key} {score:.6f} is {relation} {self.value:g}"
