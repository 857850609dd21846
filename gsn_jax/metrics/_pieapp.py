"""PieAPP v0.1: perceptual image error assessment through pairwise preference.

E. Prashnani, H. Cai, Y. Mostofi, P. Sen: "PieAPP: Perceptual Image-Error Assessment through
Pairwise Preference", CVPR 2018. Eleven convolutions compute features of each 64 x 64 patch of
both images, and two small regressors turn the differences of these features into the patch's error
and weight. The authors' network takes BGR in [0, 255], to which images are converted here. Users
supply the weights, which the authors publish as `PieAPPv0.1.pth`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from gsn_jax.backbones.fast_convolution import convolve
from gsn_jax.backbones.resampling import max_pool_complete
from gsn_jax.errors import InputError
from gsn_jax.metrics.preparation import checked_pair
from gsn_jax.metrics.user_weights import UserWeightsMetric, weights_path
from gsn_jax.pretrained.state_dicts import read_state_dict

PATCH = 64
SPARSE_STRIDE = 27  # the authors' default

_LAYERS = 11
_POOLED = (2, 4, 6, 8, 10)  # layers (counted from 1) before max pooling
_COMPARED = (3, 5, 7, 9, 11)  # layers whose differences give the error
_CHANNELS = (64, 128, 256, 256, 512)
_SIZES = (32, 16, 8, 4, 2)
_PATCHES_AT_ONCE = 32  # limits memory: the features of all layers take 2 MB per patch

_ENVIRONMENT = "GSN_PIEAPP_WEIGHTS"
_WANTED = "the authors' PieAPPv0.1.pth (github.com/prashnani/PerceptualImageError)"


class PieappWeights(NamedTuple):
    """The learned weights of PieAPP; dense kernels are `(in, out)`.

    Attributes:
        convolutions: `(kernel (3, 3, in, out), bias)` of eleven layers.
        error: `(kernel, bias)` of two dense layers, 120832 feature differences to 512 to 1.
        weight: `(kernel, bias)` of two dense layers, 2048 differences of the last layer to 512
            to 1.
        scale: factor and offset of the error, `(2,)`.
    """

    convolutions: list[tuple[np.ndarray, np.ndarray]]
    error: list[tuple[np.ndarray, np.ndarray]]
    weight: list[tuple[np.ndarray, np.ndarray]]
    scale: np.ndarray


def pieapp(
    reference: Float[Array, "*batch h w 3"],
    distorted: Float[Array, "*batch h w 3"],
    weights: PieappWeights | None = None,
    stride: int = SPARSE_STRIDE,
) -> Float[Array, "*batch"]:
    """PieAPP: the weighted mean of the patches' errors.

    Args:
        reference: sRGB in [0, 1], at least 64 x 64.
        distorted: as `reference`.
        weights: what `read_pieapp` returns; by default the file that GSN_PIEAPP_WEIGHTS names.
        stride: step between patches, from the top left corner: 27 is the authors' sparse mode
            (also the choice of piq and pyiqa), 6 their dense mode, slower and more accurate.

    Returns:
        Errors, float32, about 0 to 5 for photographs, unbounded; lower is better. Equal images
        score a small constant that depends only on the weights. Not symmetric.

    Raises:
        InputError: the images are too small, or no weights are given and GSN_PIEAPP_WEIGHTS names
            no file.
    """
    weights = METRICS["pieapp"].weights if weights is None else weights
    reference, distorted = checked_pair("pieapp", PATCH, reference, distorted)
    size, leading = reference.shape[-3:], reference.shape[:-3]
    first, second = (jnp.reshape(image, (-1, *size)) for image in (reference, distorted))
    # One pair at a time: its patches already form a batch.
    scores = lax.map(lambda pair: _score(pair[0], pair[1], weights, stride), (first, second))
    return scores.reshape(leading)


def read_pieapp(path: str | os.PathLike[str]) -> PieappWeights:
    """Reads the authors' state dict (`.pth`, or the same names in `.npz` or `.safetensors`).

    Raises:
        InputError: the file cannot be read or holds other weights.
    """
    return convert_pieapp(read_state_dict(path), where=str(path))


def convert_pieapp(tensors: Mapping[str, np.ndarray], where: str = "weights") -> PieappWeights:
    """Converts arrays under the authors' names and axis orders; see `read_pieapp`."""
    try:
        return PieappWeights(
            [_convolution(tensors, f"conv{i}") for i in range(1, _LAYERS + 1)],
            [_dense(tensors, "fc1_score", _feature_order()), _dense(tensors, "fc2_score")],
            [_dense(tensors, "fc1_weight", _order(512, 2)), _dense(tensors, "fc2_weight")],
            np.array(
                [float(tensors[f"ref_score_subtract.{n}"].item()) for n in ("weight", "bias")],
                np.float32,
            ),
        )
    except (KeyError, ValueError, IndexError) as error:
        raise InputError(
            f"{where}: not the weights of PieAPP v0.1 ({error}); give {_WANTED}"
        ) from None


def _score(
    reference: Float[Array, "h w 3"],
    distorted: Float[Array, "h w 3"],
    weights: PieappWeights,
    stride: int,
) -> Float[Array, ""]:
    both = jnp.stack([reference, distorted])[..., ::-1].astype(jnp.float32) * 255  # BGR
    starts = (np.arange(0, length - PATCH + 1, stride) for length in reference.shape[:2])
    corners = np.stack(np.meshgrid(*starts, indexing="ij"), axis=-1).reshape(-1, 2)

    def compare(corner: jax.Array) -> tuple[jax.Array, jax.Array]:
        pair = lax.dynamic_slice(both, (0, corner[0], corner[1], 0), (2, PATCH, PATCH, 3))
        first, second = _features(pair, weights.convolutions)
        error = _regress(first, weights.error) * 0.01
        return error, _regress(second, weights.weight) + 1e-6

    errors, importance = lax.map(compare, corners, batch_size=_PATCHES_AT_ONCE)
    errors = errors * weights.scale[0] + weights.scale[1]
    return jnp.sum(errors * importance) / jnp.sum(importance)


def _features(
    pair: Float[Array, "2 64 64 3"], convolutions: list[tuple[np.ndarray, np.ndarray]]
) -> tuple[Float[Array, " features"], Float[Array, " last"]]:
    """Feature differences of a pair of patches: of all compared layers, and of the last one."""
    features, differences = pair, []
    for index, (kernel, bias) in enumerate(convolutions, start=1):
        features = jax.nn.relu(convolve(features, kernel) + bias)
        if index in _COMPARED:
            differences.append((features[0] - features[1]).reshape(-1))
        if index in _POOLED:
            features = max_pool_complete(features, 2)
    return jnp.concatenate(differences), differences[-1]


def _regress(
    values: Float[Array, " features"], layers: list[tuple[np.ndarray, np.ndarray]]
) -> Float[Array, ""]:
    (first, first_bias), (second, second_bias) = layers
    return (jax.nn.relu(values @ first + first_bias) @ second + second_bias)[0]


def _order(channels: int, size: int) -> np.ndarray:
    """Positions, in PyTorch's order, of features flattened as (row, column, channel)."""
    theirs = np.arange(channels * size * size).reshape(channels, size, size)
    return theirs.transpose(1, 2, 0).reshape(-1)


def _feature_order() -> np.ndarray:
    levels = [_order(c, s) for c, s in zip(_CHANNELS, _SIZES, strict=True)]
    starts = np.cumsum([0, *(len(level) for level in levels[:-1])])
    return np.concatenate([start + level for start, level in zip(starts, levels, strict=True)])


def _convolution(tensors: Mapping[str, np.ndarray], name: str) -> tuple[np.ndarray, np.ndarray]:
    kernel = tensors[f"{name}.weight"].astype(np.float32).transpose(2, 3, 1, 0)
    return np.ascontiguousarray(kernel), tensors[f"{name}.bias"].astype(np.float32)


def _dense(
    tensors: Mapping[str, np.ndarray], name: str, order: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    kernel = tensors[f"{name}.weight"].astype(np.float32).T
    if order is not None and len(order) != len(kernel):
        raise ValueError(f"{name} has {len(kernel)} inputs, not {len(order)}")
    kernel = kernel if order is None else kernel[order]
    return np.ascontiguousarray(kernel), tensors[f"{name}.bias"].astype(np.float32)


def _from_environment() -> PieappWeights:
    return read_pieapp(weights_path(_ENVIRONMENT, _WANTED))


METRICS = {
    "pieapp": UserWeightsMetric(
        "pieapp",
        pieapp,
        _from_environment,
        higher_is_better=False,
        value_range=(float("-inf"), float("inf")),
        min_size=PATCH,
    )
}
