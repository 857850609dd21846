"""int8 kernels with one scale per output channel, a quarter of the size of float32.

Rounding changes a weight by at most half a step; a step is 1/127 of the largest weight of the
channel. The loss in scores is measured when a model is shipped (`scripts/compression_loss.py`).
Kernels must be plain: the inflated centre tap of a central difference kernel makes the steps 8 to
14 times coarser, so such kernels are folded first.

In a tree of parameters a compressed kernel is `{"int8": (..., out) int8, "scale": (out,) float32}`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

# Smaller kernels are not worth the rounding error.
_LEAST_SIZE = 4096

_STEPS = 127


def compress(tree: Mapping[str, Any]) -> dict[str, Any]:
    """The tree with its large kernels compressed and everything else unchanged."""
    result = {}
    for name, child in tree.items():
        if isinstance(child, Mapping):
            result[name] = compress(child)
        elif name == "kernel" and np.ndim(child) == 4 and np.size(child) >= _LEAST_SIZE:
            result[name] = _rounded(np.asarray(child, np.float32))
        else:
            result[name] = child
    return result


def expand(tree: Mapping[str, Any]) -> dict[str, Any]:
    """The tree with its compressed kernels as float32; the inverse of `compress`."""
    return {
        name: child
        if not isinstance(child, Mapping)
        else child["int8"].astype(np.float32) * child["scale"]
        if set(child) == {"int8", "scale"}
        else expand(child)
        for name, child in tree.items()
    }


def _rounded(kernel: np.ndarray) -> dict[str, np.ndarray]:
    largest = np.abs(kernel).max(axis=(0, 1, 2))
    scale = np.where(largest > 0, largest / _STEPS, 1).astype(np.float32)
    return {"int8": np.round(kernel / scale).astype(np.int8), "scale": scale}
