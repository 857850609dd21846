"""Image pairs with opinion scores: data sets, tables, splits and the input pipeline.

    import data_pipelines
    pairs = data_pipelines.load("tid2013", "train")
    training, test = data_pipelines.split(pairs, (0.8, 0.2), seed=0)

Functions are imported on first use, which keeps `import data_pipelines` fast.
"""

from __future__ import annotations

import importlib
from typing import Any

_FUNCTIONS = {
    "load": "catalogue",
    "names": "catalogue",
    "prepare": "catalogue",
    "split": "splits",
    "kfold": "splits",
}

__all__ = list(_FUNCTIONS)


def __getattr__(name: str) -> Any:
    if name in _FUNCTIONS:
        return getattr(importlib.import_module(f"data_pipelines.{_FUNCTIONS[name]}"), name)
    raise AttributeError(f"module 'data_pipelines' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
