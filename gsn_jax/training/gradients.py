"""The gradient of a loss that ranks within the global batch: at once, or in micro-batches.

Pairwise and listwise losses couple all examples, so the gradients of micro-batches' own losses do
not add up to the batch's. Two passes do (L. Gao, Y. Zhang, J. Han, J. Callan: "Scaling Deep
Contrastive Learning Batch Size under Memory Limited Setup", RepL4NLP 2021): the first computes all
N predictions and keeps nothing else; from the loss's gradient with respect to them, the second
pulls back each micro-batch through the model, and the sum is the batch's gradient.
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
# Of predictions and labels `(N,)`; under `shard_map` with the mesh axes of the batch.
Loss = Callable[[jax.Array, jax.Array], jax.Array]
# The loss, its gradient and the new running statistics of (params, batch_stats, batch, key).
LossGradient = Callable[[Any, Any, Batch, jax.Array], tuple[jax.Array, Any, Any]]


def whole(model: nn.Module, loss: Loss, *, frozen_trunk: bool = False) -> LossGradient:
    """The gradient of one pass over the batch.

    Args:
        model: gives predictions `(N,)`.
        loss: of predictions and labels.
        frozen_trunk: whether no gradient is computed through the trunk; its gradient is 0.
    """

    def gradient(
        params: Any, batch_stats: Any, batch: Batch, key: jax.Array
    ) -> tuple[jax.Array, Any, Any]:
        def objective(params: Any) -> tuple[jax.Array, Any]:
            predictions, stats = _predict(model, params, batch_stats, batch, key, frozen_trunk)
            return loss(predictions, batch["quality"]), stats

        (value, stats), gradients = jax.value_and_grad(objective, has_aux=True)(params)
        return value, gradients, stats

    return gradient


def accumulated(
    model: nn.Module,
    loss: Loss,
    parts: int,
    *,
    frozen_trunk: bool = False,
    place: Callable[[jax.Array], jax.Array] = lambda array: array,
) -> LossGradient:
    """The same gradient, up to rounding, holding one of `parts` micro-batches at a time.

    It costs one forward pass more. Dropout draws other masks than in one pass.

    Args:
        model: gives predictions `(N,)`.
        loss: of predictions and labels.
        parts: number of micro-batches.
        frozen_trunk: as for `whole`.
        place: puts a batch `(parts, N / parts, ...)` on the devices.

    Returns:
        The function; it raises `InputError` for a model with batch statistics, which would be
        those of a micro-batch.
    """

    def gradient(
        params: Any, batch_stats: Any, batch: Batch, key: jax.Array
    ) -> tuple[jax.Array, Any, Any]:
        if jax.tree.leaves(batch_stats):
            raise InputError(
                "optimizer.accumulate needs a model without batch normalisation, whose statistics "
                "are those of the whole batch; set model.norm to 'none'"
            )
        micro = jax.tree.map(lambda array: place(_strided(array, parts)), dict(batch))
        keys = jax.random.split(key, parts)

        def predict(params: Any, part: Batch, key: jax.Array) -> jax.Array:
            return _predict(model, params, batch_stats, part, key, frozen_trunk)[0]

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
        return value, gradients, batch_stats

    return gradient


def _predict(
    model: nn.Module, params: Any, batch_stats: Any, batch: Batch, key: jax.Array, frozen: bool
) -> tuple[jax.Array, Any]:
    """Predictions in training mode, and the new running statistics."""
    if frozen:
        params = {
            name: jax.lax.stop_gradient(child) if registry.is_trunk(name) else child
            for name, child in params.items()
        }
    stored = "cells" in batch
    inputs = ["cells", "whole"] if stored else ["reference", "distorted"]
    predictions, updates = model.apply(
        {"params": params, "batch_stats": batch_stats},
        *(as_float(batch[name]) for name in inputs),
        train=True,
        method="judge" if stored else None,
        mutable=["batch_stats"],
        rngs={"dropout": key},
    )
    return predictions, updates.get("batch_stats", {})


def _strided(array: jax.Array, parts: int) -> jax.Array:
    """`(N, ...)` as `(parts, N / parts, ...)`; part k has the examples k, k + parts, ...

    So that every device's examples are spread over all parts, and none moves between devices.
    """
    count = array.shape[0]
    if count % parts:
        raise InputError(f"a batch of {count} on a device cannot be divided into {parts} parts")
    return jnp.swapaxes(array.reshape(count // parts, parts, *array.shape[1:]), 0, 1)
