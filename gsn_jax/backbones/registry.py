"""Backbones by the names that configurations use."""

from __future__ import annotations

import importlib
from typing import Any

import flax.linen as nn

# Module and attribute of each backbone; imported when first used.
_BACKBONES = {
    "cdcn": ("gsn_jax.backbones.cdcn", "CDCN"),
    "vgg16": ("gsn_jax.backbones.vgg", "VGG16"),
    "alexnet": ("gsn_jax.backbones.alexnet", "AlexNet"),
    "resnet18": ("gsn_jax.backbones.resnet", "ResNet18"),
    "resnet34": ("gsn_jax.backbones.resnet", "ResNet34"),
    "resnet50": ("gsn_jax.backbones.resnet", "ResNet50"),
}


def names() -> tuple[str, ...]:
    """Names that `build` knows."""
    return tuple(sorted(_BACKBONES))


def build(name: str, /, **options: Any) -> nn.Module:
    """Builds the backbone of this name, with its attributes set from `options`.

    Names joined by "+", as in "vgg16+alexnet", give a `Joined` backbone with the levels of all.

    Raises:
        ValueError: an unknown name or option, or backbones that cannot be joined.
    """
    parts = name.split("+")
    for part in parts:
        if part not in _BACKBONES:
            raise ValueError(f"unknown backbone {part!r}; known: {', '.join(names())}")
    if len(set(parts)) < len(parts):
        raise ValueError(f"{name}: a backbone can be joined only once")
    if len(parts) > 1:
        from gsn_jax.backbones.joined import Joined

        return Joined({part: build(part, **options) for part in parts})
    module, attribute = _BACKBONES[name]
    try:
        backbone = getattr(importlib.import_module(module), attribute)(**options)
    except TypeError as error:
        raise ValueError(f"backbone {name!r}: {error}") from None
    return backbone
