"""Converts the authors' published WaDIQaM-FR weights to variables of `WaDIQaM`.

The folder `models` of https://github.com/dmaniry/deepIQA (MIT) contains `fr_tid_weighted.model`,
`fr_live_weighted.model` and their `patchwise` counterparts, written by Chainer. Chainer names the
arrays "conv1/W" `(out, in, 3, 3)`, "conv1/b", ..., "fc1/W" `(512, 1536)`, ..., both in HDF5, the
format of these files, and in its own npz files. The authors' fused features are (d - r, d, r);
those of `WaDIQaM` are (r, d, r - d).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gsn_jax.errors import InputError
from gsn_jax.pretrained.state_dicts import read_state_dict

# `WaDIQaM.input_scale` for the authors' weights, which expect images in [0, 255].
INPUT_SCALE = 255.0

_FEATURES = 512
_CONVOLUTIONS = tuple(f"conv{i}" for i in range(1, 11))
_REGRESSORS = {"fc1": "quality1", "fc2": "quality2", "fc1_a": "weight1", "fc2_a": "weight2"}


def read_deepiqa(path: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Reads the authors' weights.

    Args:
        path: the authors' HDF5 file (`.model`, `.h5`, `.hdf5`; needs the package h5py), or the
            same arrays in an `.npz` file, as Chainer's `save_npz` writes it.

    Returns:
        The module's attributes and its variables. The authors' score is
        `WaDIQaM(**attributes).apply(variables, reference, distorted)`.

    Raises:
        InputError: the file cannot be read or holds other weights.
    """
    hdf5 = Path(path).suffix.lower() in (".model", ".h5", ".hdf5")
    arrays = _read_hdf5(path) if hdf5 else read_state_dict(path)
    return convert_deepiqa(arrays, where=str(path))


def convert_deepiqa(
    arrays: Mapping[str, np.ndarray], where: str = "weights"
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Converts arrays under Chainer's names; see `read_deepiqa`."""
    weighted = "fc1_a/W" in arrays
    try:
        parameters = {name: _convolution(arrays, name) for name in _CONVOLUTIONS}
        for theirs, ours in _REGRESSORS.items():
            if weighted or not theirs.endswith("_a"):
                parameters[ours] = _dense(arrays, theirs)
    except (KeyError, ValueError) as error:
        raise InputError(
            f"{where}: not the authors' full-reference weights ({error}); give an "
            "fr_*.model file from github.com/dmaniry/deepIQA, or its arrays as .npz"
        ) from None
    return {"weighted": weighted, "input_scale": INPUT_SCALE}, {"params": parameters}


def _convolution(arrays: Mapping[str, np.ndarray], name: str) -> dict[str, np.ndarray]:
    kernel = arrays[f"{name}/W"].astype(np.float32)
    return {
        "kernel": np.ascontiguousarray(kernel.transpose(2, 3, 1, 0)),
        "bias": arrays[f"{name}/b"].astype(np.float32),
    }


def _dense(arrays: Mapping[str, np.ndarray], name: str) -> dict[str, np.ndarray]:
    kernel = arrays[f"{name}/W"].astype(np.float32).T
    if name.startswith("fc1"):
        if kernel.shape[0] != 3 * _FEATURES:
            raise ValueError(f"{name}/W has {kernel.shape[0]} inputs, not {3 * _FEATURES}")
        difference, distorted, reference = np.split(kernel, 3)
        kernel = np.concatenate([reference, distorted, -difference])
    return {"kernel": np.ascontiguousarray(kernel), "bias": arrays[f"{name}/b"].astype(np.float32)}


def _read_hdf5(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    if not Path(path).is_file():
        raise InputError(f"{path}: no such file; check the path")
    try:
        import h5py
    except ImportError:
        raise InputError(f"{path}: needs the package h5py; run: pip install h5py") from None
    arrays: dict[str, np.ndarray] = {}

    def collect(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            arrays[name] = np.asarray(item)

    try:
        with h5py.File(path, "r") as file:
            file.visititems(collect)
    except Exception as error:  # damage may raise anything
        raise InputError(f"{path}: damaged HDF5 file ({error}); download it again") from None
    return arrays
