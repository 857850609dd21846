"""Scores every pair of a source with a model and measures the agreement with the labels."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh
from jaxtyping import Float64

from data_pipelines.evaluation_batches import eval_batches
from data_pipelines.sources import PairSource
from gsn_jax import agreement
from gsn_jax.images import as_float
from gsn_jax.training.meshes import divided, replicated

_MOST_PER_DEVICE = 8  # pairs per batch

RawScores = Callable[[Any, jax.Array, jax.Array], jax.Array]


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """Raw scores of all pairs of a source, in its order.

    Attributes:
        raw: `(N,)` raw scores, up = better.
        quality: `(N,)` labels in [0, 1], up = better.
    """

    raw: Float64[np.ndarray, " n"]
    quality: Float64[np.ndarray, " n"]

    def summary(self) -> dict[str, float]:
        """SRCC, PLCC and main score; NaN if undefined."""
        finite = np.isfinite(self.raw)
        if not finite.all() or len(self.raw) < 2:
            return {"srcc": float("nan"), "plcc": float("nan"), "main_score": float("nan")}
        rank = agreement.srcc(self.raw, self.quality)
        linear = agreement.plcc(self.raw, self.quality)
        return {"srcc": rank, "plcc": linear, "main_score": abs(rank) + abs(linear)}


def make_scorer(model: nn.Module, mesh: Mesh) -> RawScores:
    """A jitted function `(variables, reference, distorted) -> raw scores`; images uint8 or float.

    The pairs are sharded over the mesh; the scores are replicated.
    """

    def score(variables: Any, reference: jax.Array, distorted: jax.Array) -> jax.Array:
        scores: Any = model.apply(variables, as_float(reference), as_float(distorted))
        return scores

    return jax.jit(
        score,
        in_shardings=(None, divided(mesh), divided(mesh)),
        out_shardings=replicated(mesh),
    )


def evaluate(
    score: RawScores,
    variables: Any,
    source: PairSource,
    mesh: Mesh,
    *,
    stop: Callable[[], Any] = lambda: None,
) -> Evaluation | None:
    """Scores every pair of the source exactly once, as whole images.

    Every process loads its share of the pairs and returns all scores.

    Args:
        score: see `make_scorer`.
        variables: variables of the model.
        source: the pairs.
        mesh: the devices.
        stop: called after every batch, the same number of times in every process; a true result
            ends the evaluation.

    Returns:
        The scores, or None if `stop` ended the evaluation.
    """
    here, there = jax.process_index(), jax.process_count()
    per_device = min(_MOST_PER_DEVICE, max(1, -(-len(source) // mesh.size)))
    batches = eval_batches(
        source,
        batch_size=per_device * mesh.size // there,
        process_index=here,
        process_count=there,
    )
    raw = np.zeros(len(source))
    with contextlib.closing(batches):
        for batch in batches:
            reference, distorted = (
                jax.make_array_from_process_local_data(divided(mesh), batch[role])
                for role in ("reference", "distorted")
            )
            scores = np.asarray(score(variables, reference, distorted), np.float64)
            mine = scores[_own_rows(mesh, len(scores))]
            raw[batch["index"][batch["valid"]]] = mine[batch["valid"]]
            if stop():
                return None
    if there > 1:
        # One process has each score, the others have 0. Sent as bytes: devices may lack float64.
        parts = multihost_utils.process_allgather(raw.view(np.uint8))
        raw = np.asarray(parts).view(np.float64).sum(0)
    return Evaluation(raw, np.asarray(source.quality, np.float64))


def _own_rows(mesh: Mesh, count: int) -> np.ndarray:
    """Ascending indices of the rows of a global batch that this process's devices hold."""
    rows = divided(mesh).addressable_devices_indices_map((count,)).values()
    return np.unique(np.concatenate([np.arange(count)[index] for index in rows]))
