"""Models by the names that configurations use.

A model is a Linen module `model(reference, distorted, train=False) -> (N,)` raw scores, up =
better, of `(N, H, W, 3)` images in [0, 1].
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import flax.linen as nn
import jax.numpy as jnp

from gsn_jax.backbones import registry as backbones
from gsn_jax.errors import InputError
from gsn_jax.heads import IDENTITY_SCORE
from gsn_jax.layers import CDConv

NAMES = ("frozen", "gsn", "wadiqam")

_DTYPES = {"float32": jnp.float32, "bfloat16": jnp.bfloat16}


def build(config: Mapping[str, Any]) -> nn.Module:
    """The model that a configuration describes.

    Args:
        config: `name`, one of `NAMES`, and the options of `gsn_jax.training.config.base_config`
            (for "gsn" and "frozen") or the module's attributes (for "wadiqam").
            `backbone_weights` is for `gsn_jax.models.initial_weights` and is not used here. A
            "frozen" model accepts `remat` and ignores it: no gradient passes through its backbone.

    Raises:
        InputError: an unknown name or dtype, or options that the model refuses.
    """
    options = {key: _frozen(value) for key, value in dict(config).items()}
    name = options.pop("name")
    options.pop("backbone_weights", None)
    if name not in NAMES:
        raise InputError(f"unknown model {name!r}; known: {', '.join(NAMES)}")
    if options.setdefault("dtype", "float32") not in _DTYPES:
        raise InputError(f"model dtype must be one of {', '.join(_DTYPES)}")
    options["dtype"] = _DTYPES[options["dtype"]]
    make = {"frozen": _frozen_features, "gsn": _gsn, "wadiqam": _wadiqam}[name]
    try:
        return make(**options)
    except (TypeError, ValueError) as error:
        raise InputError(f"model {name!r}: {error}") from None


def _gsn(
    *,
    backbone: str = "cdcn",
    backbone_options: Mapping[str, Any] | None = None,
    theta: float = 0.7,
    attention: tuple[int, ...] = (7, 5, 3),
    fusion_width: int = 32,
    dtype: Any = jnp.float32,
    remat: bool = False,
) -> nn.Module:
    from gsn_jax.gsn import GSN

    conv = central_difference(theta)
    options = {"conv": conv, "dtype": dtype, "remat": remat, **(backbone_options or {})}
    model = GSN(
        backbone=backbones.build(backbone, **options),
        conv=conv,
        attention=attention,
        width=fusion_width,
        dtype=dtype,
        remat=remat,
    )
    return _checked(model)


def _frozen_features(
    *,
    backbone: str = "alexnet",
    backbone_options: Mapping[str, Any] | None = None,
    theta: float = 0.7,
    attention: tuple[int, ...] = (3,),
    fusion_width: int = 16,
    dtype: Any = jnp.float32,
    remat: bool = False,
) -> nn.Module:
    from gsn_jax.models.frozen_feature_model import FrozenFeatureModel

    del remat  # nothing is stored for a backward pass through the backbone
    options = {"conv": nn.Conv, "dtype": dtype, **(backbone_options or {})}
    model = FrozenFeatureModel(
        backbone=backbones.build(backbone, **options),
        conv=central_difference(theta),
        attention=attention,
        width=fusion_width,
    )
    return _checked(model)


def _wadiqam(**options: Any) -> nn.Module:
    from gsn_jax.metrics.wadiqam import WaDIQaM

    return WaDIQaM(**options)


@functools.cache
def central_difference(theta: float) -> Callable[..., nn.Module]:
    """The convolution with this share of the central difference; the plain one for 0."""
    if not 0 <= theta <= 1:
        raise ValueError(f"theta must lie in [0, 1], got {theta}")
    return functools.partial(CDConv, theta=theta) if theta else nn.Conv


def is_backbone(name: str) -> bool:
    """Whether a top-level parameter of a model belongs to its backbone."""
    return name == "backbone"


def is_frozen(model: nn.Module) -> bool:
    """Whether the model's backbone is never trained."""
    return hasattr(model, "score_features")


def identity_score(model: nn.Module) -> float | None:
    """Raw score of every identical pair, the highest possible; None if the model fixes none."""
    return IDENTITY_SCORE if hasattr(model, "backbone") else None


def _checked(model: nn.Module) -> nn.Module:
    from gsn_jax.heads import attention_sizes

    attention_sizes(model.attention, len(model.backbone.strides))
    return model


def _frozen(value: Any) -> Any:
    """Lists (which is what JSON makes of tuples) as tuples, so that modules can be hashed."""
    if isinstance(value, Mapping):
        return {key: _frozen(child) for key, child in value.items()}
    return tuple(value) if isinstance(value, list) else value
