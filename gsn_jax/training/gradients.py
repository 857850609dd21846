"""The gradient of a loss that ranks within the global batch: in one pass, or in micro-batches.

Pairwise and listwise losses couple all examples, so the gradients of the micro-batches' own losses
do not add up to the batch's. Two passes give it (L. Gao, Y. Zhang, J. Han, J. Callan: "Scaling Deep
Contrastive Learning Batch Size under Memory Limited Setup", RepL4NLP 2021). The first computes all
N predictions and keeps nothing else. The second backpropagates the loss's gradient with respect to
them through the model, one micro-batch at a time, and sums the results.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from gsn_jax.errors import InputError
from gsn_jax.images import as_float
from gsn_jax.models import registry

Batch = Mapping[str, jax.Array]
# Maps predictions and labels, `(N,)` each, to the loss.
Loss = Callable[[jax.Array, jax.Array], jax.Array]
# Maps (params, batch, key) to the loss and its gradient.
LossGradient = Callable[[Any, Batch, jax.Array], tuple[jax.Array, Any]]


def whole(model: nn.Module, loss: Loss) -> LossGradient:
    """The gradient from one pass over the batch.

    The gradient of the backbone of a frozen-feature model is 0.

    Args:
        model: gives predictions `(N,)`.
        loss: of predictions and labels.
    """

    def gradient(params: Any, batch: Batch, key: jax.Array) -> tuple[jax.Array, Any]:
        def objective(params: Any) -> jax.Array:
            return loss(_predict(model, params, batch, key, key), batch["quality"])

        return jax.value_and_grad(objective)(params)

    return gradient


def accumulated(
    model: nn.Module,
    loss: Loss,
    parts: int,
    *,
    place: Callable[[jax.Array], jax.Array] = lambda array: array,
) -> LossGradient:
    """The same gradient, up to rounding, holding one of `parts` micro-batches at a time.

    It costs one more forward pass. Dropout masks differ from those of a single pass.

    Args:
        model: gives predictions `(N,)`.
        loss: of predictions and labels.
        parts: number of micro-batches.
        place: puts a batch `(parts, N / parts, ...)` on the devices.
    """

    def gradient(params: Any, batch: Batch, key: jax.Array) -> tuple[jax.Array, Any]:
        micro = jax.tree.map(lambda array: place(_strided(array, parts)), dict(batch))
        keys, shared = jax.random.split(key, parts), key

        def predict(params: Any, part: Batch, key: jax.Array) -> jax.Array:
            return _predict(model, params, part, key, shared)

        def forward(_: None, item: tuple[Batch, jax.Array]) -> tuple[None, jax.Array]:
            return None, predict(params, *item)

        def backward(total: Any, item: tuple[Batch, jax.Array, jax.Array]) -> tuple[Any, None]:
            part, key, cotangent = item
            _, pull_back = jax.vjp(lambda params: predict(params, part, key), params)
            return jax.tree.map(jnp.add, total, pull_back(cotangent)[0]), None

        _, predictions = jax.lax.scan(forward, None, (micro, keys))
        value, cotangents = jax.value_and_grad(
            lambda predictions: loss(predictions.reshape(-1), micro["quality"].reshape(-1))
        )(predictions)
        zeros = jax.tree.map(jnp.zeros_like, params)
        gradients, _ = jax.lax.scan(backward, zeros, (micro, keys, cotangents))
        return value, gradients

    return gradient


def _predict(
    model: nn.Module, params: Any, batch: Batch, key: jax.Array, shared: jax.Array
) -> jax.Array:
    """Predictions in training mode, from images or from stored features.

    `key` seeds what is drawn per example, `shared` what is drawn once per step: the loss compares
    predictions within a batch, so all micro-batches must use the same draw.
    """
    if registry.is_frozen(model):
        params = {
            name: jax.lax.stop_gradient(child) if registry.is_backbone(name) else child
            for name, child in params.items()
        }
    stored = "cells" in batch
    inputs = ["cells", "whole"] if stored else ["reference", "distorted"]
    predictions: Any = model.apply(
        {"params": params},
        *(as_float(batch[name]) for name in inputs),
        train=True,
        method="score_features" if stored else None,
        rngs={"dropout": key, "share": shared},
    )
    return predictions


def _strided(array: jax.Array, parts: int) -> jax.Array:
    """`(N, ...)` as `(parts, N / parts, ...)`; part k has the examples k, k + parts, ...

    This spreads every device's examples over all parts, so that none moves between devices.
    """
    count = array.shape[0]
    if count % parts:
        raise InputError(f"{count} pairs per device cannot be divided into {parts} micro-batches")
    return jnp.swapaxes(array.reshape(count // parts, parts, *array.shape[1:]), 0, 1)
