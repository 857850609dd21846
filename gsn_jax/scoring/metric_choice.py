"""The metrics that a command was asked for, as a list of names and perhaps a model's folder."""

from __future__ import annotations

import hashlib

import jax
import numpy as np

from gsn_jax import metrics
from gsn_jax.errors import InputError
from gsn_jax.metric import Metric
from gsn_jax.scoring import by_name, model_metric

EVERY = "all"


def choose(
    names: str, checkpoint: str | None = None, *, option: str = "--metric"
) -> tuple[list[Metric], dict[str, str]]:
    """The metrics of a list of names, each once, in its order.

    Args:
        names: separated by commas; "all" stands for every model that ships and every metric.
        checkpoint: a folder whose model takes the place of the one called gsn.
        option: what the list is called in an error message.

    Returns:
        The metrics; and, by name, those that "all" passes over, with the line that says what is
        missing. A metric asked for by its own name is never passed over.

    Raises:
        InputError: a name is unknown, weights are missing, or the folder holds no model.
    """
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    asked = set(wanted)
    if EVERY in asked:
        wanted = [name for name in wanted if name != EVERY] + [
            *model_metric.shipped(),
            *metrics.names(),
        ]
    wanted = list(dict.fromkeys(wanted))
    if not wanted:
        raise InputError(f"{option} names no metric")
    if checkpoint is not None and "gsn" not in wanted:
        raise InputError(f"--checkpoint is a model for gsn, which {option} does not name")
    chosen, passed_over = [], {}
    for name in wanted:
        try:
            if name == "gsn" and checkpoint is not None:
                metric = model_metric.load(checkpoint, name="gsn")
            else:
                metric = by_name.resolve(name)
            _try_weights(metric)
            chosen.append(metric)
        except InputError as error:
            if name in asked or EVERY not in asked:
                raise
            passed_over[name] = str(error)
    return chosen, passed_over


def version_of(metric: Metric) -> str:
    """What a metric's scores belong to beside the version of the package; "" for a plain formula.

    For a trained model its version and a digest of its weights, since two training runs may give
    their checkpoints one version; for a metric with weights of the user's, their digest.
    """
    weights = getattr(metric, "weights", None)
    if weights is None:
        return ""
    digest = hashlib.blake2b(digest_size=6)
    for path, leaf in jax.tree_util.tree_leaves_with_path(weights):
        digest.update(jax.tree_util.keystr(path).encode())
        digest.update(np.ascontiguousarray(leaf).tobytes())
    return f"{getattr(metric, 'version', '')} {digest.hexdigest()}".strip()


def training_data(metric: Metric) -> tuple[str, ...]:
    """Names of the data that a model of our trainer was trained on; empty for other metrics."""
    training = getattr(metric, "training", None) or {}
    names = ((training.get("config") or {}).get("data") or {}).get("train") or ()
    names = [names] if isinstance(names, str) else names
    return tuple(dict.fromkeys(name if isinstance(name, str) else str(name[0]) for name in names))


def _try_weights(metric: Metric) -> None:
    """Raises `InputError` now, not in the middle of a run, where weights are missing."""
    blank = np.zeros((192, 192, 3), np.float32)
    jax.eval_shape(metric.function, blank, blank)
