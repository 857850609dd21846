"""The state of a training run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import flax.struct
import jax
import jax.numpy as jnp
import optax

from gsn_jax.models import initial_weights


@flax.struct.dataclass
class TrainState:
    """Everything that training changes.

    Attributes:
        step: number of updates done.
        params: parameters of the model, float32.
        ema: exponential moving average of `params`; {} if it is switched off.
        opt_state: state of the optimiser.
        key: random key of the run; a step folds its number into it.
        failed_step: number of the first step whose loss or gradient was not finite, else -1.
            From then on the rest of the state does not change.
    """

    step: jax.Array
    params: Any
    ema: Any
    opt_state: Any
    key: jax.Array
    failed_step: jax.Array

    def variables(self) -> dict[str, Any]:
        """The variables to evaluate: averaged parameters where there are any."""
        return {"params": self.ema or self.params}


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

    `initial` holds the parameters that are not random, see `gsn_jax.models.initial_weights`.
    """
    init_key, run_key = jax.random.split(key)
    images = jnp.zeros((1, crop_size, crop_size, 3))
    variables = model.init({"params": init_key, "dropout": init_key}, images, images)
    variables = initial_weights.merge(variables, initial)
    params = variables["params"]
    return TrainState(
        step=jnp.zeros((), jnp.int32),
        params=params,
        ema=jax.tree.map(jnp.copy, params) if ema else {},
        opt_state=optimizer.init(params),
        key=jax.random.key_data(run_key),
        failed_step=jnp.full((), -1, jnp.int32),
    )
