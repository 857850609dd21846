"""Central difference and batch normalisation folded into plain convolutions, for inference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gsn_jax.backbones.cdcn import BATCH_NORM_EPSILON
from gsn_jax.layers import central_difference_kernel


def fold_blocks(
    params: Mapping[str, Any], stats: Mapping[str, Any], theta: float
) -> dict[str, Any]:
    """Folds every block `{"cdc" or "plain": ..., ["norm": ...]}` in a tree of parameters.

    Args:
        params: parameters of a model.
        stats: its running statistics, {} without batch normalisation.
        theta: share of the central difference.

    Returns:
        Parameters of the same model with theta = 0 and no normalisation.
    """
    if "cdc" in params:
        return {"cdc": _fold_block(params, "cdc", stats, theta)}
    if "plain" in params:
        return {"plain": _fold_block(params, "plain", stats, 0.0)}
    return {
        name: fold_blocks(child, stats.get(name, {}), theta)
        if isinstance(child, Mapping)
        else child
        for name, child in params.items()
    }


def _fold_block(
    params: Mapping[str, Any], kind: str, stats: Mapping[str, Any], theta: float
) -> dict[str, jax.Array]:
    kernel = central_difference_kernel(params[kind]["kernel"], theta)
    xp = np if isinstance(kernel, np.ndarray) else jnp
    bias = params[kind].get("bias", xp.zeros(kernel.shape[-1], kernel.dtype))
    if "norm" in params:
        norm, running = params["norm"], stats["norm"]
        gain = norm["scale"] / xp.sqrt(running["var"] + BATCH_NORM_EPSILON)
        kernel = kernel * gain
        bias = (bias - running["mean"]) * gain + norm["bias"]
    return {"kernel": kernel, "bias": bias}
