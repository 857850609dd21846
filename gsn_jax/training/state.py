"""What a training step carries from one to the next, and the optimiser that updates it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import flax.struct
import jax
import jax.numpy as jnp
import optax
from ml_collections import ConfigDict

from gsn_jax import initial_weights
from gsn_jax.errors import InputError


@flax.struct.dataclass
class TrainState:
    """Everything that training changes.

    Attributes:
        step: number of updates done.
        params: parameters of the model, float32.
        batch_stats: running statistics of batch normalisation; {} without.
        ema: exponential moving average of `params`; {} where it is switched off.
        opt_state: state of the optimiser.
        key: random key of the run; a step folds its number into it.
        failed_step: number of the first step whose loss or gradient was not finite, else -1.
            From there on the rest of the state stands still.
    """

    step: jax.Array
    params: Any
    batch_stats: Any
    ema: Any
    opt_state: Any
    key: jax.Array
    failed_step: jax.Array

    def variables(self) -> dict[str, Any]:
        """The variables to evaluate: averaged parameters where there are any."""
        return {"params": self.ema or self.params, "batch_stats": self.batch_stats}


def make_optimizer(
    config: ConfigDict, steps: int
) -> tuple[optax.GradientTransformation, optax.Schedule]:
    """Clipped Adam(W) with linear warm-up and cosine decay to zero over `steps` updates.

    Returns:
        The optimiser and its learning rate as a function of the number of updates done.

    Raises:
        InputError: an unknown optimiser.
    """
    warmup = min(config.warmup_steps, steps // 2)
    schedule = optax.warmup_cosine_decay_schedule(
        init_value=0.0,
        peak_value=config.learning_rate,
        warmup_steps=warmup,
        decay_steps=steps,
    )
    optimizers = {
        "adam": lambda: optax.adam(schedule),
        "adamw": lambda: optax.adamw(schedule, weight_decay=config.weight_decay),
    }
    if config.name not in optimizers:
        raise InputError(f"unknown optimizer {config.name!r}; known: {', '.join(optimizers)}")
    clip = optax.clip_by_global_norm(config.clip_norm)
    return optax.chain(clip, optimizers[config.name]()), schedule


def create_state(
    model: nn.Module,
    optimizer: optax.GradientTransformation,
    key: jax.Array,
    *,
    crop_size: int,
    ema: bool,
    initial: Mapping[str, Any] | None = None,
) -> TrainState:
    """The state before the first step; a pure function of the key, so it can be jitted.

    `initial` holds the variables that are not random, see `gsn_jax.initial_weights`.
    """
    init_key, run_key = jax.random.split(key)
    images = jnp.zeros((1, crop_size, crop_size, 3))
    variables = model.init({"params": init_key, "dropout": init_key}, images, images)
    variables = initial_weights.merge(variables, initial)
    params = variables["params"]
    return TrainState(
        step=jnp.zeros((), jnp.int32),
        params=params,
        batch_stats=variables.get("batch_stats", {}),
        ema=jax.tree.map(jnp.copy, params) if ema else {},
        opt_state=optimizer.init(params),
        key=jax.random.key_data(run_key),
        failed_step=jnp.full((), -1, jnp.int32),
    )
