"""Metrics by their names: one or several of them, scoring a pair, a metric as a loss."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from gsn_jax import metrics, storage
from gsn_jax.errors import InputError
from gsn_jax.images import ImageLike
from gsn_jax.images.masks import MaskLike
from gsn_jax.metric import Metric
from gsn_jax.models import shipped as shipped_models
from gsn_jax.scoring.protocol import Protocol, named_protocol
from gsn_jax.scoring.protocol_metric import ProtocolMetric
from gsn_jax.scoring.regions import masked_scores

# Stands for all models and metrics in a list of names.
EVERY = "all"


def resolve(name: str | os.PathLike[str]) -> Metric:
    """A metric by the name of a model that ships (see `load`), a registry name, or a folder.

    Raises:
        InputError: it is none of these.
    """
    if shipped_models.is_shipped(name):
        return _load(name)
    if name in metrics.names():
        return metrics.get(name)
    if storage.is_url(name) or Path(name).is_dir():
        return _load(name)
    known = ", ".join(every_name())
    raise InputError(f"unknown metric {os.fspath(name)!r}; known: {known}, or a model's folder")


def resolve_all(names: Iterable[str], checkpoint: str | None = None) -> list[Metric]:
    """Metrics by their names, see `resolve`; with a checkpoint for "gsn" where one is given.

    Raises:
        InputError: see `resolve` and `load`.
    """
    return [
        _load(checkpoint, name="gsn") if name == "gsn" and checkpoint is not None else resolve(name)
        for name in names
    ]


def split_names(*texts: str) -> list[str]:
    """Comma-separated names as a list, each name once, in their order."""
    names = (name.strip() for text in texts for name in text.split(","))
    return list(dict.fromkeys(name for name in names if name))


def named(*texts: str, checkpoint: str | None = None, option: str = "--metric") -> list[str]:
    """The names that an option of a command gives.

    Args:
        texts: comma-separated names.
        checkpoint: the folder whose model takes the place of gsn, None for the shipped one.
        option: what the error message calls the option.

    Raises:
        InputError: there is no name, or a checkpoint but not the name gsn.
    """
    names = split_names(*texts)
    if not names:
        raise InputError(f"{option} names no metric")
    if checkpoint is not None and not {"gsn", EVERY} & set(names):
        raise InputError(f"--checkpoint is a model for gsn, which {option} does not name")
    return names


def every_name() -> tuple[str, ...]:
    """Names of all models that ship and all metrics."""
    return (*shipped_models.names(), *metrics.names())


def available() -> tuple[list[Metric], dict[str, str]]:
    """All models and metrics that can be used here.

    Returns:
        The metrics; and, by name, the reason why others cannot be used.
    """
    found, missing = [], {}
    for name in every_name():
        try:
            found.append(resolve(name))
        except InputError as error:
            missing[name] = str(error)
    return found, missing


def choose(names: str, checkpoint: str | None = None) -> tuple[list[Metric], dict[str, str]]:
    """The metrics of a list of names, each once, in its order.

    Args:
        names: comma-separated; "all" stands for every model that ships and every metric.
        checkpoint: a folder whose model takes the place of gsn.

    Returns:
        The metrics; and, by name, those that "all" leaves out, with the reason. A metric that is
        named itself is never left out.

    Raises:
        InputError: a name is unknown, weights are missing, or the folder holds no model.
    """
    wanted = named(names, checkpoint=checkpoint)
    required = set(wanted) - {EVERY}
    if EVERY in wanted:
        wanted = list(dict.fromkeys(name for name in (*wanted, *every_name()) if name != EVERY))
    chosen: list[Metric] = []
    left_out = {}
    for name in wanted:
        try:
            (metric,) = resolve_all([name], checkpoint)
            _try_weights(metric)
            chosen.append(metric)
        except InputError as error:
            if name in required:
                raise
            left_out[name] = str(error)
    return chosen, left_out


def score(
    reference: ImageLike,
    distorted: ImageLike,
    metric: str | os.PathLike[str] | Metric = "gsn",
    *,
    mask: MaskLike | None = None,
    protocol: Protocol | str | None = None,
) -> jax.Array:
    """The score of a pair, or of a batch of pairs, given as paths or arrays.

    Args:
        reference: a path, or an array `(..., H, W, 3)` of uint8 or floats in [0, 1].
        distorted: likewise, of equal size.
        metric: a metric or its name, see `resolve`.
        mask: how much each pixel counts, from 0 to 1: the path of a gray image, or an array
            `(H, W)` of bool, uint8 or floats in [0, 1], for all pairs of a batch or `(..., H, W)`
            for each. Metrics that are in no way the mean of local values refuse it.
        protocol: what the metric sees of an image; or a name of `gsn_jax.scoring.protocol.NAMED`.

    Returns:
        Scores of the leading shape; a scalar array for one pair. The metric says which direction
        is better and in which range they lie.

    Raises:
        InputError: see `resolve`, `Metric`, `gsn_jax.images.masks.as_mask` and `Protocol`.
    """
    if isinstance(metric, (str, os.PathLike)):
        metric = resolve(metric)
    if protocol is not None:
        metric = named_protocol(protocol).of(metric)
    if mask is None:
        return metric(reference, distorted)
    return jnp.asarray(masked_scores(metric, reference, distorted, mask))


def as_loss(
    name: str | os.PathLike[str] | Metric,
) -> Callable[[jax.Array, jax.Array], jax.Array]:
    """A metric as something to minimise: `loss(reference, distorted) -> (...)`.

    Pure, jit- and grad-safe, with finite gradients at equal images. A trained model gives its raw
    error, 0 for an identical pair, with the weights of errors held constant in the gradient (see
    `hold_weights` of `gsn_jax.gsn.GSN`). A metric with a largest value gives that value minus the
    score, an unbounded one (PSNR) its negative, and a distance gives itself.

    Args:
        name: a metric or its name, see `resolve`.

    Raises:
        InputError: see `resolve`.
    """
    metric = resolve(name) if isinstance(name, (str, os.PathLike)) else name
    if isinstance(metric, ProtocolMetric):
        return metric.seen_by(as_loss(metric.metric))
    if hasattr(metric, "error"):  # a trained model, whose module is slow to import
        return metric.error
    if not metric.higher_is_better:
        return metric.function
    best = metric.value_range[1]
    offset = best if np.isfinite(best) else 0.0
    return lambda reference, distorted: offset - metric.function(reference, distorted)


def _load(name_or_dir: str | os.PathLike[str], name: str | None = None) -> Metric:
    """`load`, whose module imports Flax: scores by other metrics start sooner without."""
    from gsn_jax.scoring import model_metric

    return model_metric.load(name_or_dir, name=name)


def _try_weights(metric: Metric) -> None:
    """Raises `InputError` now, not in the middle of a run, if weights are missing."""
    blank = np.zeros((192, 192, 3), np.float32)
    jax.eval_shape(metric.function, blank, blank)
