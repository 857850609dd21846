"""Models that the trainer trains, by name.

A model is a Linen module `model(reference, distorted, train=False) -> (N,)` raw scores, up =
better, of `(N, H, W, 3)` images in [0, 1].
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax.numpy as jnp

from gsn_jax.errors import InputError
from gsn_jax.gsn import IDENTITY_SCORE

_MODELS = {
    "gsn": ("gsn_jax.gsn", "GSN"),
    "wadiqam": ("gsn_jax.metrics.wadiqam", "WaDIQaM"),
}

# GSN's `backbone`; WaDIQaM's `conv1` to `conv10`.
_TRUNK_PREFIXES = ("backbone", "conv")

_DTYPES = {"float32": jnp.float32, "bfloat16": jnp.bfloat16}


def names() -> tuple[str, ...]:
    """Names that `build` knows."""
    return tuple(sorted(_MODELS))


def build(config: Mapping[str, Any]) -> nn.Module:
    """The model that a configuration describes.

    Args:
        config: `name`, and the module's attributes; `dtype` as "float32" or "bfloat16".
            `trunk_weights` is for `gsn_jax.models.initial_weights` and says nothing here.

    Raises:
        InputError: an unknown name or dtype, or attributes that the model refuses.
    """
    options = {key: _frozen(value) for key, value in dict(config).items()}
    name = options.pop("name")
    options.pop("trunk_weights", None)
    if name not in _MODELS:
        raise InputError(f"unknown model {name!r}; known: {', '.join(names())}")
    if "dtype" in options:
        if options["dtype"] not in _DTYPES:
            raise InputError(f"model dtype must be one of {', '.join(_DTYPES)}")
        options["dtype"] = _DTYPES[options["dtype"]]
    module, attribute = _MODELS[name]
    try:
        model = getattr(importlib.import_module(module), attribute)(**options)
        getattr(model, "check_settings", lambda: None)()
    except (TypeError, ValueError) as error:
        raise InputError(f"model {name!r}: {error}") from None
    return model


def is_trunk(name: str) -> bool:
    """Whether a top-level parameter of a model belongs to its trunk, the features of one image."""
    return name.startswith(_TRUNK_PREFIXES)


def identity_score(model: nn.Module) -> float | None:
    """Raw score of every identical pair, the highest possible; None if the model fixes none."""
    return IDENTITY_SCORE if getattr(model, "head", None) == "anchored" else None


def _frozen(value: Any) -> Any:
    """Lists (which is what JSON makes of tuples) as tuples, so that modules can be hashed."""
    if isinstance(value, Mapping):
        return {key: _frozen(child) for key, child in value.items()}
    return tuple(value) if isinstance(value, list) else value
