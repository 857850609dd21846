"""The optimiser of a configuration: clipping, Adam(W), its learning rate, and the trunk's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import optax
from ml_collections import ConfigDict

from gsn_jax.errors import InputError
from gsn_jax.models import registry


def make_schedule(config: ConfigDict, steps: int) -> optax.Schedule:
    """The learning rate as a function of the number of updates done.

    It rises linearly from 0 over `warmup_steps` (at most half of the run), then stays
    ("constant"), falls to 0 at the end ("cosine", "linear"), or is multiplied by `decay_factor` at
    each of the shares `decay_at` of the run ("step").

    Raises:
        InputError: an unknown schedule.
    """
    peak = config.learning_rate
    warmup = min(config.warmup_steps, steps // 2)
    rest = steps - warmup
    schedules = {
        "cosine": lambda: optax.cosine_decay_schedule(peak, rest),
        "linear": lambda: optax.linear_schedule(peak, 0.0, rest),
        "constant": lambda: optax.constant_schedule(peak),
        "step": lambda: optax.piecewise_constant_schedule(
            peak, {round(share * steps) - warmup: config.decay_factor for share in config.decay_at}
        ),
    }
    if config.schedule not in schedules:
        raise InputError(f"unknown schedule {config.schedule!r}; known: {', '.join(schedules)}")
    rise = optax.linear_schedule(0.0, peak, warmup)
    return optax.join_schedules([rise, schedules[config.schedule]()], [warmup])


def make_optimizer(
    config: ConfigDict, steps: int
) -> tuple[optax.GradientTransformation, optax.Schedule]:
    """Clipped Adam(W) over `steps` updates; the trunk may wait, or learn at another rate.

    While the trunk is frozen its gradient does not count towards the clipped norm, and its moments
    start when it thaws, so that their bias correction is right.

    Returns:
        The optimiser and its learning rate as a function of the number of updates done.

    Raises:
        InputError: an unknown optimiser or schedule.
    """
    schedule = make_schedule(config, steps)
    optimizers = {
        "adam": optax.adam,
        "adamw": lambda rate: optax.adamw(rate, weight_decay=config.weight_decay),
    }
    if config.name not in optimizers:
        raise InputError(f"unknown optimizer {config.name!r}; known: {', '.join(optimizers)}")
    make = optimizers[config.name]
    clip = optax.clip_by_global_norm(config.clip_norm)
    frozen, factor = config.frozen_trunk_steps, config.trunk_learning_rate_factor
    if frozen == 0 and factor == 1:
        return optax.chain(clip, make(schedule)), schedule
    if frozen < 0:
        both = {"rest": make(schedule), "trunk": optax.set_to_zero()}
        return optax.chain(clip, optax.partition(both, _labels)), schedule

    def thawed(inner: optax.GradientTransformation) -> optax.GradientTransformation:
        return optax.conditionally_mask(inner, lambda count: count >= frozen) if frozen else inner

    gate = optax.partition({"rest": optax.identity(), "trunk": thawed(optax.identity())}, _labels)
    trunk = thawed(make(lambda count: factor * schedule(count + frozen)))
    update = optax.partition({"rest": make(schedule), "trunk": trunk}, _labels)
    return optax.chain(gate, clip, update), schedule


def _labels(params: Mapping[str, Any]) -> dict[str, Any]:
    """ "trunk" or "rest" for every parameter."""
    names = {name: "trunk" if registry.is_trunk(name) else "rest" for name in params}
    return {name: jax.tree.map(lambda _, n=name: names[n], params[name]) for name in params}
