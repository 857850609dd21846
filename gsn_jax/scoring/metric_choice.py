"""The metrics that a command names, and what their scores depend on."""

from __future__ import annotations

import hashlib

import jax
import numpy as np

from gsn_jax import metrics
from gsn_jax.errors import InputError
from gsn_jax.metric import Metric
from gsn_jax.scoring import by_name, model_metric

EVERY = "all"


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
    return (*model_metric.shipped(), *metrics.names())


def available() -> tuple[list[Metric], dict[str, str]]:
    """All models and metrics that can be used here.

    Returns:
        The metrics; and, by name, the reason why others cannot be used.
    """
    found, missing = [], {}
    for name in every_name():
        try:
            found.append(by_name.resolve(name))
        except InputError as error:
            missing[name] = str(error)
    return found, missing


def choose(
    names: str, checkpoint: str | None = None, *, option: str = "--metric"
) -> tuple[list[Metric], dict[str, str]]:
    """The metrics of a list of names, each once, in its order.

    Args:
        names: comma-separated; "all" stands for every model that ships and every metric.
        checkpoint: a folder whose model takes the place of gsn.
        option: what the error message calls the option.

    Returns:
        The metrics; and, by name, those that "all" leaves out, with the reason. A metric that is
        named itself is never left out.

    Raises:
        InputError: a name is unknown, weights are missing, or the folder holds no model.
    """
    wanted = named(names, checkpoint=checkpoint, option=option)
    required = set(wanted) - {EVERY}
    if EVERY in wanted:
        wanted = list(dict.fromkeys(name for name in (*wanted, *every_name()) if name != EVERY))
    chosen: list[Metric] = []
    left_out = {}
    for name in wanted:
        try:
            (metric,) = by_name.resolve_all([name], checkpoint)
            _try_weights(metric)
            chosen.append(metric)
        except InputError as error:
            if name in required:
                raise
            left_out[name] = str(error)
    return chosen, left_out


def version_of(metric: Metric) -> str:
    """What a metric's scores depend on besides the package's version; "" for a plain formula.

    For a trained model this is its version and a digest of its weights, because two training runs
    may give their checkpoints the same version. For a metric with the user's weights it is their
    digest.
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
    """Names of the data sets that a trained model was trained on; empty for other metrics."""
    training = getattr(metric, "training", None) or {}
    names = ((training.get("config") or {}).get("data") or {}).get("train") or ()
    names = [names] if isinstance(names, str) else names
    return tuple(dict.fromkeys(name if isinstance(name, str) else str(name[0]) for name in names))


def _try_weights(metric: Metric) -> None:
    """Raises `InputError` now, not in the middle of a run, if weights are missing."""
    blank = np.zeros((192, 192, 3), np.float32)
    jax.eval_shape(metric.function, blank, blank)
