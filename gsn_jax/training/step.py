"""One training step over a mesh of devices.

The batch is sharded over the mesh; `meshes` decides the sharding of the state. The losses see the
global batch: XLA partitions the work and inserts the reductions.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from ml_collections import ConfigDict

from gsn_jax import losses
from gsn_jax.backbones import convolution
from gsn_jax.errors import InputError
from gsn_jax.models import registry
from gsn_jax.training import gradients
from gsn_jax.training.gradients import Batch
from gsn_jax.training.meshes import AXES, divided, replicated
from gsn_jax.training.state import TrainState

Step = Callable[[TrainState, Batch], tuple[TrainState, dict[str, jax.Array]]]


def make_loss(config: ConfigDict) -> gradients.Loss:
    """The configured loss as a function of `(predictions, labels)`.

    Raises:
        InputError: the loss is unknown.
    """

    def gsn(predictions: jax.Array, labels: jax.Array) -> jax.Array:
        value = losses.gsn_loss(
            predictions,
            labels,
            alpha=config.alpha,
            beta=config.beta,
            q=config.q,
            temperature=config.temperature,
        )
        if config.mse_weight:
            value += config.mse_weight * losses.mse_loss(predictions, labels)
        return value

    known = {
        "gsn": gsn,
        "norm_in_norm": losses.norm_in_norm,
        "mse": losses.mse_loss,
        "mae": losses.mae_loss,
    }
    if config.name not in known:
        raise InputError(f"unknown loss {config.name!r}; known: {', '.join(known)}")
    return known[config.name]


def make_train_step(
    model: nn.Module,
    optimizer: optax.GradientTransformation,
    loss: gradients.Loss,
    mesh: Mesh,
    *,
    ema_decay: float = 0.0,
    accumulate: int = 1,
    state_sharding: Any = None,
) -> Step:
    """The jitted step `(state, batch) -> (state, metrics)`, which donates the state.

    A batch holds `reference` and `distorted` `(N, H, W, 3)`, uint8 or floats in [0, 1], or else the
    stored features `cells` and `whole`; and `quality` `(N,)` in [0, 1]. If the loss or the gradient
    is not finite, only `state.failed_step` changes.

    Args:
        model: maps a batch to predictions `(N,)`.
        optimizer: updates the parameters.
        loss: function of predictions and labels, see `make_loss`.
        mesh: the devices.
        ema_decay: decay of the averaged parameters; 0 keeps no average.
        accumulate: number of micro-batches per step, computed one after the other.
        state_sharding: a tree of shardings, see `meshes.state_shardings`; by default the state is
            replicated.
    """
    if accumulate > 1:
        parts = NamedSharding(mesh, PartitionSpec(None, AXES))
        gradient = gradients.accumulated(
            model,
            loss,
            accumulate,
            place=lambda x: jax.lax.with_sharding_constraint(x, parts),
        )
    else:
        gradient = gradients.whole(model, loss)
    step = functools.partial(
        _step,
        convolution.training(one_device=mesh.size == 1)(gradient),
        optimizer,
        ema_decay=ema_decay,
        frozen_backbone=registry.is_frozen(model),
    )
    state_sharding = replicated(mesh) if state_sharding is None else state_sharding
    return jax.jit(
        step,
        in_shardings=(state_sharding, divided(mesh)),
        out_shardings=(state_sharding, replicated(mesh)),
        donate_argnums=0,
    )


def _step(
    gradient: gradients.LossGradient,
    optimizer: optax.GradientTransformation,
    state: TrainState,
    batch: Batch,
    *,
    ema_decay: float,
    frozen_backbone: bool,
) -> tuple[TrainState, dict[str, jax.Array]]:
    key = jax.random.fold_in(jax.random.wrap_key_data(state.key), state.step)
    value, slopes = gradient(state.params, batch, key)
    norm = optax.tree.norm(slopes)
    updates, opt_state = optimizer.update(slopes, state.opt_state, state.params)
    params = optax.apply_updates(state.params, updates)
    ema = (
        optax.incremental_update(params, state.ema, 1 - _warm(ema_decay, state.step))
        if ema_decay
        else state.ema
    )
    if frozen_backbone:  # pass the old arrays through, which avoids a copy
        params = _with_backbone_of(params, state.params)
        ema = _with_backbone_of(ema, state.ema)
    advanced = dataclasses.replace(
        state,
        step=state.step + 1,
        params=params,
        ema=ema,
        opt_state=opt_state,
    )
    finite = jnp.isfinite(value) & jnp.isfinite(norm)
    stopped = dataclasses.replace(
        state, failed_step=jnp.where(state.failed_step >= 0, state.failed_step, state.step + 1)
    )
    good = finite & (state.failed_step < 0)
    state = jax.tree.map(lambda new, old: jnp.where(good, new, old), advanced, stopped)
    return state, {"loss": value, "gradient_norm": norm, "failed_step": state.failed_step}


def _with_backbone_of(params: Any, source: Any) -> Any:
    return {name: source[name] if registry.is_backbone(name) else params[name] for name in params}


def _warm(decay: float, step: jax.Array) -> jax.Array:
    """A smaller decay at first, so that the average forgets the random initialisation."""
    return jnp.minimum(decay, (1.0 + step) / (10.0 + step))
