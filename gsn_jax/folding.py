"""Central difference and batch normalisation folded into plain convolutions, for inference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gsn_jax import fast_convolution
from gsn_jax.layers import PRODUCTS, central_difference_kernel
from gsn_jax.trunks import BATCH_NORM_EPSILON


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


def with_products(variables: Mapping[str, Any]) -> dict[str, Any]:
    """A folded trunk's variables with the kernels that `fast_convolution` multiplies beside them.

    They are transformed once and not in every call.

    Args:
        variables: `{"params": {"backbone": ...}, ...}`, folded.
    """
    kernels = _products(variables["params"].get("backbone", {}))
    return {**variables, PRODUCTS: {"backbone": kernels}} if kernels else dict(variables)


def _products(params: Mapping[str, Any]) -> dict[str, Any]:
    products = {}
    for name, child in params.items():
        if not isinstance(child, Mapping):
            continue
        if name == "cdc" and fast_convolution.worth_it(child["kernel"].shape):
            kernel = np.asarray(child["kernel"])
            products[name] = {"kernels": fast_convolution.kernels_of_products(kernel)}
        elif below := _products(child):
            products[name] = below
    return products


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
