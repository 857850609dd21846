"""The optimiser of a configuration: clipped AdamW with warm-up and cosine decay."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import jax
import jax.numpy as jnp
import optax
from ml_collections import ConfigDict

from gsn_jax.models import registry

# Largest norm of a gradient; larger ones are scaled down.
CLIP_NORM = 1.0

# The learning rate of published weights, as a share of the head's.
PUBLISHED_RATE = 0.3

Backbone = Literal["new", "published", "frozen"]


def make_schedule(config: ConfigDict, steps: int) -> optax.Schedule:
    """The learning rate as a function of the number of updates done.

    It rises linearly from 0 over `warmup_steps` (at most half of the run), then falls to 0 at the
    end along a cosine.
    """
    peak = config.learning_rate
    warmup = min(config.warmup_steps, steps // 2)
    rise = optax.linear_schedule(0.0, peak, warmup)
    return optax.join_schedules([rise, optax.cosine_decay_schedule(peak, steps - warmup)], [warmup])


def make_optimizer(
    config: ConfigDict, steps: int, *, backbone: Backbone = "new"
) -> tuple[optax.GradientTransformation, optax.Schedule]:
    """Clipped AdamW over `steps` updates.

    Args:
        config: the section `optimizer` of a configuration.
        steps: number of updates of the run.
        backbone: what it starts from. A "frozen" one gets no updates and no moments. A "published"
            one changes later and more slowly than the head, and its weights do not decay.

    Returns:
        The optimiser and its learning rate as a function of the number of updates done.
    """
    schedule = make_schedule(config, steps)
    update = optax.adamw(schedule, weight_decay=config.weight_decay)
    if backbone == "frozen":
        update = optax.partition({"head": update, "backbone": optax.set_to_zero()}, _labels)
    elif backbone == "published":
        slow = optax.adamw(_thawing(schedule, steps), weight_decay=0.0)
        update = optax.partition({"head": update, "backbone": slow}, _labels)
    return optax.chain(optax.clip_by_global_norm(CLIP_NORM), update), schedule


def _thawing(schedule: optax.Schedule, steps: int) -> optax.Schedule:
    """`PUBLISHED_RATE` of `schedule`, but 0 in the first tenth of the run, rising in the second."""
    return lambda count: PUBLISHED_RATE * schedule(count) * jnp.clip(10 * count / steps - 1, 0, 1)


def _labels(params: Mapping[str, Any]) -> dict[str, Any]:
    """Either "backbone" or "head" for every parameter."""
    names = {name: "backbone" if registry.is_backbone(name) else "head" for name in params}
    return {name: jax.tree.map(lambda _, n=name: names[n], params[name]) for name in params}
