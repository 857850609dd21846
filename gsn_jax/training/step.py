"""One training step over a mesh of devices.

The batch is divided over the mesh, the state lies on it as `meshes` says. Under `jit` the losses
see the global batch: XLA inserts the reductions, so that the value and gradient are those of one
device.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh
from ml_collections import ConfigDict

from gsn_jax import losses
from gsn_jax.errors import InputError
from gsn_jax.images import as_float
from gsn_jax.training.meshes import divided, replicated
from gsn_jax.training.state import TrainState

Batch = Mapping[str, jax.Array]
Loss = Callable[[jax.Array, jax.Array], jax.Array]


def make_loss(config: ConfigDict) -> Loss:
    """The configured loss of `(predictions, labels)`.

    Raises:
        InputError: an unknown loss.
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
    loss: Loss,
    mesh: Mesh,
    *,
    ema_decay: float = 0.0,
    state_sharding: Any = None,
) -> Callable[[TrainState, Batch], tuple[TrainState, dict[str, jax.Array]]]:
    """The jitted step `(state, batch) -> (state, metrics)`; it consumes (donates) the state.

    A batch holds `reference` and `distorted` `(N, H, W, 3)`, uint8 or floats in [0, 1], and
    `quality` `(N,)` in [0, 1]. A loss or gradient that is not finite changes nothing but
    `state.failed_step`.

    Args:
        model: gives predictions `(N,)`.
        optimizer: updates the parameters.
        loss: of predictions and labels.
        mesh: the devices.
        ema_decay: of the averaged parameters; 0 keeps none.
        state_sharding: a tree of shardings, see `meshes.state_shardings`; by default the state is
            on every device.
    """
    state_sharding = replicated(mesh) if state_sharding is None else state_sharding

    def step(state: TrainState, batch: Batch) -> tuple[TrainState, dict[str, jax.Array]]:
        key = jax.random.fold_in(jax.random.wrap_key_data(state.key), state.step)

        def objective(params: Any) -> tuple[jax.Array, Any]:
            predictions, updates = model.apply(
                {"params": params, "batch_stats": state.batch_stats},
                as_float(batch["reference"]),
                as_float(batch["distorted"]),
                train=True,
                mutable=["batch_stats"],
                rngs={"dropout": key},
            )
            return loss(predictions, batch["quality"]), updates.get("batch_stats", {})

        (value, batch_stats), gradients = jax.value_and_grad(objective, has_aux=True)(state.params)
        norm = optax.tree.norm(gradients)
        updates, opt_state = optimizer.update(gradients, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        ema = (
            optax.incremental_update(params, state.ema, 1 - _warm(ema_decay, state.step))
            if ema_decay
            else state.ema
        )
        advanced = state.replace(
            step=state.step + 1,
            params=params,
            batch_stats=batch_stats,
            ema=ema,
            opt_state=opt_state,
        )
        finite = jnp.isfinite(value) & jnp.isfinite(norm)
        stopped = state.replace(
            failed_step=jnp.where(state.failed_step >= 0, state.failed_step, state.step + 1)
        )
        good = finite & (state.failed_step < 0)
        state = jax.tree.map(lambda new, old: jnp.where(good, new, old), advanced, stopped)
        return state, {"loss": value, "gradient_norm": norm, "failed_step": state.failed_step}

    return jax.jit(
        step,
        in_shardings=(state_sharding, divided(mesh)),
        out_shardings=(state_sharding, replicated(mesh)),
        donate_argnums=0,
    )


def _warm(decay: float, step: jax.Array) -> jax.Array:
    """An average over few steps follows them closely, or it would remember the first draw."""
    return jnp.minimum(decay, (1.0 + step) / (10.0 + step))
