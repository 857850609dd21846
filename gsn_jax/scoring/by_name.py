"""Metrics by their names: resolving a name, scoring a pair, a metric as a loss."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

import jax
import numpy as np

from gsn_jax import metrics
from gsn_jax.errors import InputError
from gsn_jax.images import ImageLike
from gsn_jax.metric import Metric
from gsn_jax.models import shipped as shipped_models
from gsn_jax.scoring.model_metric import ModelMetric, load, shipped


def resolve(name: str | os.PathLike[str]) -> Metric:
    """A metric by the name of a model that ships (see `load`), a registry name, or a folder.

    Raises:
        InputError: it is none of these.
    """
    if shipped_models.is_shipped(name):
        return load(name)
    if name in metrics.names():
        return metrics.get(name)
    if Path(name).is_dir():
        return load(name)
    known = ", ".join((*shipped(), *metrics.names()))
    raise InputError(f"unknown metric {os.fspath(name)!r}; known: {known}, or a model's folder")


def resolve_all(names: Iterable[str], checkpoint: str | None = None) -> list[Metric]:
    """Metrics by their names, see `resolve`; with a checkpoint for "gsn" where one is given.

    Raises:
        InputError: see `resolve` and `load`.
    """
    return [
        load(checkpoint, name="gsn") if name == "gsn" and checkpoint is not None else resolve(name)
        for name in names
    ]


def score(
    reference: ImageLike, distorted: ImageLike, metric: str | os.PathLike[str] | Metric = "gsn"
) -> jax.Array:
    """The score of a pair, or of a batch of pairs, given as paths or arrays.

    Args:
        reference: a path, or an array `(..., H, W, 3)` of uint8 or floats in [0, 1].
        distorted: likewise, of equal size.
        metric: a metric or its name, see `resolve`.

    Returns:
        Scores of the leading shape; a scalar array for one pair. The metric says which direction
        is better and in which range they lie.

    Raises:
        InputError: see `resolve` and `Metric`.
    """
    if isinstance(metric, (str, os.PathLike)):
        metric = resolve(metric)
    return metric(reference, distorted)


def as_loss(
    name: str | os.PathLike[str] | Metric,
) -> Callable[[jax.Array, jax.Array], jax.Array]:
    """A metric as something to minimise: `loss(reference, distorted) -> (...)`.

    Pure, jit- and grad-safe, with finite gradients at equal images. A trained model gives its raw
    error (0 at an identical pair), and a GSN's gradient takes what errors weigh for constants,
    see `GSN.hold_weights`; a metric with a largest value gives that value minus the score;
    an unbounded one (PSNR) its negative; a distance gives itself.

    Args:
        name: a metric or its name, see `resolve`.

    Raises:
        InputError: see `resolve`.
    """
    metric = resolve(name) if isinstance(name, (str, os.PathLike)) else name
    if isinstance(metric, ModelMetric):
        return metric.error
    if not metric.higher_is_better:
        return metric.function
    best = metric.value_range[1]
    offset = best if np.isfinite(best) else 0.0
    return lambda reference, distorted: offset - metric.function(reference, distorted)
