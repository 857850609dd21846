"""Gradient Siamese Network for full-reference image quality assessment, in JAX and Flax.

    import gsn_jax
    metric = gsn_jax.load("gsn")
    metric("reference.png", "distorted.png")  # quality in [0, 1], up = better

Submodules are imported when they are first used, so that `import gsn_jax` stays cheap.
"""

from __future__ import annotations

import importlib
from typing import Any

from gsn_jax._version import __version__

_SUBMODULES = (
    "agreement",
    "backbones",
    "errors",
    "gsn",
    "images",
    "layers",
    "losses",
    "metric",
    "metrics",
    "scoring",
    "training",
)
_FUNCTIONS = {
    "load": "scoring.model_metric",
    "score": "scoring.by_name",
    "as_loss": "scoring.by_name",
    "quality_map": "scoring.maps",
}

__all__ = ["__version__", *_SUBMODULES, *_FUNCTIONS]


def __getattr__(name: str) -> Any:
    if name in _SUBMODULES:
        return importlib.import_module(f"gsn_jax.{name}")
    if name in _FUNCTIONS:
        return getattr(importlib.import_module(f"gsn_jax.{_FUNCTIONS[name]}"), name)
    raise AttributeError(f"module 'gsn_jax' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
