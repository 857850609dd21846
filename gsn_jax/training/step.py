"""One training step over a mesh of devices.

The batch is divided over the mesh, the state lies on it as `meshes` says. The step has two forms
with equal results. Under "jit" the losses see the global batch: XLA divides the work and inserts
the reductions. Under "shard_map" every device runs the step on its part of the batch, the losses
take the mesh's axes, and the gradients are summed over the devices in float32 in one place.
"""

from __future__ import annotations

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
from gsn_jax.backbones import kernel_gradients
from gsn_jax.errors import InputError
from gsn_jax.models import registry
from gsn_jax.training import gradients
from gsn_jax.training.config import STEP_FORMS
from gsn_jax.training.gradients import Batch
from gsn_jax.training.meshes import AXES, divided, replicated
from gsn_jax.training.state import TrainState

Step = Callable[[TrainState, Batch], tuple[TrainState, dict[str, jax.Array]]]


def make_loss(config: ConfigDict) -> Callable[..., jax.Array]:
    """The configured loss of `(predictions, labels, axis_name=None)`.

    Raises:
        InputError: an unknown loss.
    """

    def gsn(
        predictions: jax.Array, labels: jax.Array, axis_name: losses.AxisName = None
    ) -> jax.Array:
        value = losses.gsn_loss(
            predictions,
            labels,
            alpha=config.alpha,
            beta=config.beta,
            q=config.q,
            temperature=config.temperature,
            axis_name=axis_name,
        )
        if config.mse_weight:
            value += config.mse_weight * losses.mse_loss(predictions, labels, axis_name=axis_name)
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
    loss: Callable[..., jax.Array],
    mesh: Mesh,
    *,
    ema_decay: float = 0.0,
    accumulate: int = 1,
    frozen_trunk: bool = False,
    form: str = "jit",
    state_sharding: Any = None,
) -> Step:
    """The jitted step `(state, batch) -> (state, metrics)`; it consumes (donates) the state.

    A batch holds `reference` and `distorted` `(N, H, W, 3)`, uint8 or floats in [0, 1], and
    `quality` `(N,)` in [0, 1]. A loss or gradient that is not finite changes nothing but
    `state.failed_step`.

    Args:
        model: gives predictions `(N,)`.
        optimizer: updates the parameters.
        loss: of predictions and labels, see `make_loss`.
        mesh: the devices.
        ema_decay: of the averaged parameters; 0 keeps none.
        accumulate: number of micro-batches that a device computes one after the other.
        frozen_trunk: whether no gradient is computed through the trunk.
        form: "jit" or "shard_map"; they differ by rounding, and in the masks of dropout.
        state_sharding: a tree of shardings, see `meshes.state_shardings`; by default the state is
            on every device.

    Raises:
        InputError: an unknown form, or "shard_map" with divided parameters.
    """
    if form not in STEP_FORMS:
        raise InputError(f"train.step must be one of {', '.join(STEP_FORMS)}, got {form!r}")
    mapped = form == "shard_map"
    if mapped and mesh.shape["fsdp"] > 1:
        raise InputError(
            'train.step="shard_map" keeps the parameters on every device; '
            'set the size of fsdp to 1, or train.step="jit"'
        )
    if mapped and hasattr(model, "axis_name"):
        model = model.clone(axis_name=AXES)
    loss = functools.partial(loss, axis_name=AXES) if mapped else loss
    if accumulate > 1:
        parts = NamedSharding(mesh, PartitionSpec(None, AXES))
        gradient = gradients.accumulated(
            model,
            loss,
            accumulate,
            frozen_trunk=frozen_trunk,
            place=lambda x: x if mapped else jax.lax.with_sharding_constraint(x, parts),
        )
    else:
        gradient = gradients.whole(model, loss, frozen_trunk=frozen_trunk)
    if mapped or mesh.size == 1:  # no other device has a part of the batch
        gradient = kernel_gradients.local_batch()(gradient)
    step = functools.partial(
        _step,
        _summed(gradient) if mapped else gradient,
        optimizer,
        ema_decay=ema_decay,
        frozen_trunk=frozen_trunk,
    )
    if mapped:
        here, parted = PartitionSpec(), PartitionSpec(AXES)
        step = jax.shard_map(step, mesh=mesh, in_specs=(here, parted), out_specs=(here, here))
    state_sharding = replicated(mesh) if state_sharding is None else state_sharding
    return jax.jit(
        step,
        in_shardings=(state_sharding, divided(mesh)),
        out_shardings=(state_sharding, replicated(mesh)),
        donate_argnums=0,
    )


def _summed(gradient: gradients.LossGradient) -> gradients.LossGradient:
    """Under `shard_map`: the gradient of the device's examples, then one sum over the devices."""

    def summed(
        params: Any, batch_stats: Any, batch: Batch, key: jax.Array
    ) -> tuple[jax.Array, Any, Any]:
        # Differentiating this device's own copy leaves the sum to the line below: else JAX sums
        # each parameter where it is used, and so in bfloat16 where the model computes in it.
        own = jax.lax.pcast(params, AXES, to="varying")
        key = jax.random.fold_in(key, jax.lax.axis_index(AXES))
        value, part, stats = gradient(own, batch_stats, batch, key)
        return value, jax.lax.psum(part, AXES), stats

    return summed


def _step(
    gradient: gradients.LossGradient,
    optimizer: optax.GradientTransformation,
    state: TrainState,
    batch: Batch,
    *,
    ema_decay: float,
    frozen_trunk: bool,
) -> tuple[TrainState, dict[str, jax.Array]]:
    key = jax.random.fold_in(jax.random.wrap_key_data(state.key), state.step)
    value, slopes, batch_stats = gradient(state.params, state.batch_stats, batch, key)
    norm = optax.tree.norm(slopes)
    updates, opt_state = optimizer.update(slopes, state.opt_state, state.params)
    params = optax.apply_updates(state.params, updates)
    ema = (
        optax.incremental_update(params, state.ema, 1 - _warm(ema_decay, state.step))
        if ema_decay
        else state.ema
    )
    if frozen_trunk:  # as it is, so that nothing of it is copied
        params, ema = _with_trunk_of(params, state.params), _with_trunk_of(ema, state.ema)
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


def _with_trunk_of(params: Any, source: Any) -> Any:
    return {name: source[name] if registry.is_trunk(name) else params[name] for name in params}


def _warm(decay: float, step: jax.Array) -> jax.Array:
    """An average over few steps follows them closely, or it would remember the first draw."""
    return jnp.minimum(decay, (1.0 + step) / (10.0 + step))
