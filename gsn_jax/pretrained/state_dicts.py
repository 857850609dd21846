"""One interface to every supported weight file: `{name: array}`."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import numpy as np

from gsn_jax.errors import InputError
from gsn_jax.pretrained.torch_files import read_torch_state_dict

SUFFIXES = (".safetensors", ".npz", ".pt", ".pth", ".bin")


def read_state_dict(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """Reads named arrays from a weight file, whose suffix determines the format.

    Args:
        path: `.safetensors`, `.npz` (NumPy's, Chainer's), or PyTorch's `.pt`, `.pth`, `.bin`.

    Returns:
        Each array under its name, with its axes in the order of the file.

    Raises:
        InputError: the file is missing, damaged, of another format, or would execute code.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(f"{path}: unknown type of weight file; use one of {', '.join(SUFFIXES)}")
    if not Path(path).is_file():
        raise InputError(f"{path}: no such file; check the path")
    if suffix == ".safetensors":
        return _read_safetensors(path)
    return _read_npz(path) if suffix == ".npz" else read_torch_state_dict(path)


def _read_npz(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    try:
        with zipfile.ZipFile(path):
            pass  # np.load would accept other formats with this suffix
        with np.load(path, allow_pickle=False) as archive:
            return dict(archive)
    except Exception as error:  # damage may raise anything
        raise InputError(f"{path}: not an archive of plain NumPy arrays ({error})") from None


def _read_safetensors(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    try:
        from safetensors import SafetensorError
        from safetensors.numpy import load_file
    except ImportError:
        raise InputError(
            f"{path}: needs the package safetensors; run: pip install safetensors"
        ) from None
    try:
        return load_file(path)
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise InputError(f"{path}: damaged safetensors file ({error}); download it again") from None
