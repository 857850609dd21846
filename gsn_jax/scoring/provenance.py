"""What scores depend on besides the images: versions, weights, training data, protocols."""

from __future__ import annotations

import hashlib

import jax
import numpy as np

from gsn_jax.metric import Metric


def version_of(metric: Metric) -> str:
    """What a metric's scores depend on besides the package's version; "" for a plain formula.

    For a trained model this is its version and a digest of its weights, because two training runs
    may give their checkpoints the same version. For a metric with user-supplied weights it is the
    digest alone.
    """
    weights = getattr(metric, "weights", None)
    if weights is None:
        return ""
    digest = hashlib.blake2b(digest_size=6)
    for path, leaf in jax.tree_util.tree_leaves_with_path(weights):
        digest.update(jax.tree_util.keystr(path).encode())
        digest.update(np.ascontiguousarray(leaf).tobytes())
    return f"{getattr(metric, 'version', '')} {digest.hexdigest()}".strip()


def protocol_text(metric: Metric) -> str:
    """The protocol that a metric follows, such as "luma studio, crop border 4"; "" for none."""
    return str(getattr(metric, "protocol", ""))


def training_data(metric: Metric) -> tuple[str, ...]:
    """Names of the data sets that a trained model was trained on; empty for other metrics."""
    training = getattr(metric, "training", None) or {}
    names = ((training.get("config") or {}).get("data") or {}).get("train") or ()
    names = [names] if isinstance(names, str) else names
    return tuple(dict.fromkeys(name if isinstance(name, str) else str(name[0]) for name in names))
