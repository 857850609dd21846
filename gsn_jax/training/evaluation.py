"""Scores of a model on every pair of a source, and their agreement with the labels."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import numpy as np

from data_pipelines.evaluation import eval_batches
from data_pipelines.sources import PairSource
from gsn_jax import agreement
from gsn_jax.images import as_float

RawScores = Callable[[Any, jax.Array, jax.Array], jax.Array]


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """Raw scores of every pair of a source, in its order.

    Attributes:
        raw: `(N,)` raw scores, up = better.
        quality: `(N,)` labels in [0, 1], up = better.
    """

    raw: np.ndarray
    quality: np.ndarray

    def summary(self) -> dict[str, float]:
        """SRCC, PLCC and main score; NaN where a correlation does not exist."""
        finite = np.isfinite(self.raw)
        if not finite.all() or len(self.raw) < 2:
            return {"srcc": float("nan"), "plcc": float("nan"), "main_score": float("nan")}
        rank = agreement.srcc(self.raw, self.quality)
        linear = agreement.plcc(self.raw, self.quality)
        return {"srcc": rank, "plcc": linear, "main_score": abs(rank) + abs(linear)}


def make_scorer(model: nn.Module) -> RawScores:
    """The jitted `(variables, reference, distorted) -> raw scores`, uint8 or float images."""

    @jax.jit
    def score(variables: Any, reference: jax.Array, distorted: jax.Array) -> jax.Array:
        return model.apply(variables, as_float(reference), as_float(distorted))

    return score


def evaluate(
    score: RawScores, variables: Any, source: PairSource, *, batch_size: int = 8
) -> Evaluation:
    """Scores every pair of the source as a whole image, none dropped, none counted twice."""
    raw = np.full(len(source), np.nan)
    for batch in eval_batches(source, batch_size=batch_size):
        scores = np.asarray(score(variables, batch["reference"], batch["distorted"]))
        raw[batch["index"][batch["valid"]]] = scores[batch["valid"]]
    return Evaluation(raw, np.asarray(source.quality, np.float64))
