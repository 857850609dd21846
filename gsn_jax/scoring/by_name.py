"""Metrics by name: resolving names, scoring a pair, a metric as a loss."""

from __future__ import annotations

import difflib
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
    """The metric for the name of a shipped model, a registry name, or a model folder.

    See `gsn_jax.load` for models and their folders.

    Raises:
        InputError: `name` is none of these, or the package with its weights is missing.
    """
    if shipped_models.is_shipped(name):
        return _load(name)
    if name in metrics.names():
        return metrics.get(name)
    if storage.is_url(name) or Path(name).is_dir():
        return _load(name)
    raise InputError(_why_unknown(os.fspath(name)))


def _why_unknown(name: str) -> str:
    if os.sep in name:
        what = "is a file, not a folder" if Path(name).exists() else "no such folder"
        return f"{name}: {what}; give the folder of a model, or the name of a metric"
    close = difflib.get_close_matches(name.lower(), every_name(), n=1)
    if close:
        return f"unknown metric {name!r}; did you mean {close[0]!r}?"
    known = ", ".join(every_name())
    return f"unknown metric {name!r}; known: {known}, or a model's folder"


def resolve_all(names: Iterable[str], checkpoint: str | None = None) -> list[Metric]:
    """The metrics of several names, see `resolve`. A checkpoint replaces the shipped "gsn".

    Raises:
        InputError: `names` is a single text, or see `resolve` and `gsn_jax.load`.
    """
    if isinstance(names, str):
        raise InputError(f"names: give a list of names, such as [{names!r}]")
    return [
        _load(checkpoint, name="gsn") if name == "gsn" and checkpoint is not None else resolve(name)
        for name in names
    ]


def split_names(*texts: str) -> list[str]:
    """Splits comma-separated names. Each name is listed once, in order of first appearance."""
    names = (name.strip() for text in texts for name in text.split(","))
    return list(dict.fromkeys(name for name in names if name))


def named(*texts: str, checkpoint: str | None = None, option: str = "--metric") -> list[str]:
    """The metric names given to a command-line option.

    Args:
        texts: comma-separated names.
        checkpoint: folder of a model that replaces the shipped gsn; None for no replacement.
        option: name of the option, for error messages.

    Raises:
        InputError: no name is given, or a checkpoint is given without the name gsn or all.
    """
    names = split_names(*texts)
    if not names:
        raise InputError(f"{option}: no metric is named; name one, e.g. gsn")
    if checkpoint is not None and not {"gsn", EVERY} & set(names):
        raise InputError(
            f"--checkpoint: replaces gsn, which {option} does not name; add gsn to {option}"
        )
    return names


def every_name() -> tuple[str, ...]:
    """Names of all shipped models and all metrics."""
    return (*shipped_models.names(), *metrics.names())


def available() -> tuple[list[Metric], dict[str, str]]:
    """All models and metrics whose packages are installed.

    Weights that users supply themselves (PieAPP, DeepIQA) are not checked; `choose` does that.

    Returns:
        The metrics; and for each of the others, its name and why it cannot be used.
    """
    found, missing = [], {}
    for name in every_name():
        try:
            found.append(resolve(name))
        except InputError as error:
            missing[name] = str(error)
    return found, missing


def choose(names: str, checkpoint: str | None = None) -> tuple[list[Metric], dict[str, str]]:
    """The metrics in a list of names, each once, in the order of the list.

    Args:
        names: comma-separated; "all" stands for every shipped model and every metric.
        checkpoint: folder of a model that replaces the shipped gsn.

    Returns:
        The metrics; and the names that "all" leaves out, with the reason. A metric that is named
        explicitly is never left out.

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
        mask: the weight of each pixel, from 0 to 1: the path of a gray image, or an array of bool,
            uint8, uint16 or floats in [0, 1], `(H, W)` for all pairs or `(..., H, W)` for each.
            Metrics that do not pool local values refuse it.
        protocol: what the metric sees of an image, or a name in `gsn_jax.scoring.protocol.NAMED`.

    Returns:
        Scores `(...)`; a scalar array for one pair. Their direction and range are attributes of
        the metric.

    Raises:
        InputError: see `resolve`, `Metric`, `gsn_jax.images.masks.as_mask` and `Protocol`.
    """
    metric = _metric(metric)
    if protocol is not None:
        metric = named_protocol(protocol).of(metric)
    if mask is None:
        return metric(reference, distorted)
    return jnp.asarray(masked_scores(metric, reference, distorted, mask))


def as_loss(
    name: str | os.PathLike[str] | Metric,
) -> Callable[[jax.Array, jax.Array], jax.Array]:
    """A metric as a loss to minimise: `loss(reference, distorted) -> (...)`.

    Pure, safe under `jit` and `grad`, with finite gradients at equal images. A trained model gives
    its raw error, 0 for an identical pair; gradients treat the weights of errors as constants (see
    `hold_weights` of `gsn_jax.gsn.GSN`). A quality with an upper bound gives the bound minus the
    score, an unbounded one (PSNR) the negative score, and a distance the score itself.

    Args:
        name: a metric or its name, see `resolve`.

    Raises:
        InputError: see `resolve`.
    """
    metric = _metric(name)
    if isinstance(metric, ProtocolMetric):
        return metric.seen_by(as_loss(metric.metric))
    if hasattr(metric, "error"):  # a trained model, whose module is slow to import
        return metric.error
    if not metric.higher_is_better:
        return metric.function
    best = metric.value_range[1]
    offset = best if np.isfinite(best) else 0.0
    return lambda reference, distorted: offset - metric.function(reference, distorted)


def _metric(given: str | os.PathLike[str] | Metric) -> Metric:
    """The metric itself, or the one of that name.

    Raises:
        InputError: see `resolve`; or this is neither, such as a list of names.
    """
    if isinstance(given, (str, os.PathLike)):
        return resolve(given)
    if not callable(given):
        raise InputError(
            f"metric: give one metric or its name, got {type(given).__name__}; score with several "
            "one after the other"
        )
    return given


def _load(name_or_dir: str | os.PathLike[str], name: str | None = None) -> Metric:
    """`model_metric.load`, imported here because its module needs Flax, which is slow to import."""
    from gsn_jax.scoring import model_metric

    return model_metric.load(name_or_dir, name=name)


def _try_weights(metric: Metric) -> None:
    """Raises `InputError` now, not in the middle of a run, if weights are missing."""
    blank = np.zeros((192, 192, 3), np.float32)
    jax.eval_shape(metric.function, blank, blank)
