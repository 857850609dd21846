"""PieAPP v0.1: perceptual image error assessment through pairwise preference.

E. Prashnani, H. Cai, Y. Mostofi, P. Sen: "PieAPP: Perceptual Image-Error Assessment through
Pairwise Preference", CVPR 2018. Eleven convolutions describe each 64 x 64 patch of both images;
two small regressors turn the differences of their features into the patch's error and weight. As
in the authors' code, images are BGR in [0, 255] there (ours are sRGB in [0, 1] and turned inside).
The weights are the user's to get; the authors publish them as `PieAPPv0.1.pth`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from gsn_jax.backbones.fast_convolution import convolve
from gsn_jax.errors import InputError
from gsn_jax.metrics.user_weights import UserWeightsMetric, weights_path
from gsn_jax.pretrained.state_dicts import read_state_dict

PATCH = 64
SPARSE_STRIDE, DENSE_STRIDE = 27, 6  # the authors' two modes

_LAYERS = 11
_POOLED = (2, 4, 6, 8, 10)  # layers (counted from 1) that maximum pooling follows
_COMPARED = (3, 5, 7, 9, 11)  # layers whose differences give the error
_CHANNELS = (64, 128, 256, 256, 512)
_SIZES = (32, 16, 8, 4, 2)
_PATCHES_AT_ONCE = 32  # bounds the memory: features of a patch and its layers are 2 MB

_ENVIRONMENT = "GSN_PIEAPP_WEIGHTS"
_WANTED = "the authors' PieAPPv0.1.pth (github.com/prashnani/PerceptualImageError)"


class PieappWeights(NamedTuple):
    """What PieAPP has learned; dense kernels are `(in, out)`.

    Attributes:
        convolutions: `(kernel (3, 3, in, out), bias)` of eleven layers.
        error: `(kernel, bias)` twice: 120832 feature differences to 512, to 1.
        weight: `(kernel, bias)` twice: 2048 differences of the last layer to 512, to 1.
        scale: factor and offset of the error, `(2,)`.
    """

    convolutions: list[tuple[np.ndarray, np.ndarray]]
    error: list[tuple[np.ndarray, np.ndarray]]
    weight: list[tuple[np.ndarray, np.ndarray]]
    scale: np.ndarray


def pieapp(
    reference: jax.Array,
    distorted: jax.Array,
    weights: PieappWeights | None = None,
    stride: int = SPARSE_STRIDE,
) -> jax.Array:
    """PieAPP: the weighted mean of the patches' errors.

    Args:
        reference: `(..., H, W, 3)`, sRGB in [0, 1], at least 64 x 64.
        distorted: as `reference`, of the same shape.
        weights: as `read_pieapp` gives them; the file that GSN_PIEAPP_WEIGHTS names when None.
        stride: step between patches, from the top left corner: 27 as in the authors' sparse mode
            (and in piq and pyiqa), 6 in their dense mode, which is slower and more accurate.

    Returns:
        Errors `(...)`, float32, about 0 to 5 for photographs, not bounded; lower is better. An
        identical pair scores a small constant that depends on the weights only.

    Raises:
        InputError: no weights given and the environment names no file of them.
    """
    weights = _published() if weights is None else weights
    size, leading = reference.shape[-3:], reference.shape[:-3]
    pairs = [jnp.reshape(image, (-1, *size)) for image in (reference, distorted)]
    # One image after the other: its patches are batch enough.
    return lax.map(lambda pair: _score(*pair, weights, stride), pairs).reshape(leading)


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
    reference: jax.Array, distorted: jax.Array, weights: PieappWeights, stride: int
) -> jax.Array:
    def compare(pair: jax.Array) -> tuple[jax.Array, jax.Array]:
        first, second = _features(pair, weights.convolutions)
        error = _regress(first, weights.error) * 0.01
        return error, _regress(second, weights.weight) + 1e-6

    patches = jnp.stack([_patches(reference, stride), _patches(distorted, stride)], axis=1)
    errors, importance = lax.map(compare, patches, batch_size=_PATCHES_AT_ONCE)
    errors = errors * weights.scale[0] + weights.scale[1]
    return jnp.sum(errors * importance) / jnp.sum(importance)


def _patches(image: jax.Array, stride: int) -> jax.Array:
    """The grid of patches `(P, 64, 64, 3)`, BGR in [0, 255]."""
    rows, columns = (range(0, length - PATCH + 1, stride) for length in image.shape[:2])
    bgr = image[..., ::-1].astype(jnp.float32) * 255
    corners = [(row, column) for row in rows for column in columns]
    return jnp.stack([bgr[r : r + PATCH, c : c + PATCH] for r, c in corners])


def _features(
    pair: jax.Array, convolutions: list[tuple[np.ndarray, np.ndarray]]
) -> tuple[jax.Array, jax.Array]:
    """Feature differences of a pair `(2, 64, 64, 3)`: of all compared layers, and of the last."""
    features, differences = pair, []
    for index, (kernel, bias) in enumerate(convolutions, start=1):
        features = jax.nn.relu(convolve(features, kernel) + bias)
        if index in _COMPARED:
            differences.append((features[0] - features[1]).reshape(-1))
        if index in _POOLED:
            n, height, width, channels = features.shape
            blocks = features.reshape(n, height // 2, 2, width // 2, 2, channels)
            features = blocks.max(axis=(2, 4))
    return jnp.concatenate(differences), differences[-1]


def _regress(values: jax.Array, layers: list[tuple[np.ndarray, np.ndarray]]) -> jax.Array:
    (first, first_bias), (second, second_bias) = layers
    return (jax.nn.relu(values @ first + first_bias) @ second + second_bias)[0]


def _order(channels: int, size: int) -> np.ndarray:
    """Where each of our flattened features (row, column, channel) is in PyTorch's order."""
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
        raise ValueError(f"{name} sees {len(kernel)} features, not {len(order)}")
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


def _published() -> PieappWeights:
    return METRICS["pieapp"].weights
