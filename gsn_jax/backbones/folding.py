"""Folding of central difference convolutions into plain ones, for inference and compression."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from gsn_jax.layers import CDConv, central_difference_kernel


def fold(model: nn.Module, variables: Mapping[str, Any]) -> tuple[nn.Module, dict[str, Any]]:
    """The same function with plain convolutions; scores are equal up to rounding.

    Args:
        model: maps two `(N, H, W, 3)` arrays to scores. The convolution of each of its modules is
            the attribute `conv`.
        variables: `{"params": ...}` of the model.

    Returns:
        The model with `conv=flax.linen.Conv` throughout, and its variables.
    """
    plain = _plain(model)
    if plain is model:
        return model, dict(variables)
    thetas: dict[tuple[str, ...], float] = {}

    def record(call: Any, arguments: Any, keywords: Any, context: Any) -> Any:
        if isinstance(context.module, CDConv):
            thetas[context.module.path] = context.module.theta
        return call(*arguments, **keywords)

    images = jax.ShapeDtypeStruct((1, 32, 32, 3), jnp.float32)
    with nn.intercept_methods(record):
        jax.eval_shape(model.apply, variables, images, images)
    return plain, {**variables, "params": _folded(variables["params"], thetas)}


def _plain(value: Any) -> Any:
    """The module with plain convolutions; the module itself if it has no others."""
    if isinstance(value, Mapping):
        plain = {name: _plain(child) for name, child in value.items()}
        return plain if any(plain[name] is not value[name] for name in plain) else value
    if not isinstance(value, nn.Module):
        return value
    changed: dict[str, Any] = {}
    for name in type(value).__dataclass_fields__:
        if name in ("parent", "name"):
            continue
        child = getattr(value, name)
        folded: Any = nn.Conv if name == "conv" else _plain(child)
        if folded is not child:
            changed[name] = folded
    return value.clone(**changed) if changed else value


def _folded(
    params: Mapping[str, Any], thetas: Mapping[tuple[str, ...], float], path: tuple[str, ...] = ()
) -> dict[str, Any]:
    if path in thetas:
        return {**params, "kernel": central_difference_kernel(params["kernel"], thetas[path])}
    return {
        name: _folded(child, thetas, (*path, name)) if isinstance(child, Mapping) else child
        for name, child in params.items()
    }
