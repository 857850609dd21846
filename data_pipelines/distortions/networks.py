"""Artefacts of restoration by small convolutional networks.

Networks fail differently from filters: they sharpen edges more than any linear filter, and replace
texture with smooth areas or with wrong texture. Each network predicts a residual of an RGB image,
given the strength of the damage. `scripts/train_restoration_networks.py` trains them and writes
`networks.npz`.
"""

from __future__ import annotations

import functools
import importlib.resources
import math
from collections.abc import Callable, Sequence

import numpy as np

from data_pipelines.distortions import scaling
from data_pipelines.distortions.compression import jpeg
from data_pipelines.distortions.entry import Distortion
from data_pipelines.distortions.noise import white_noise
from data_pipelines.distortions.pixels import RGB, to_uint8

Generator = np.random.Generator
Layers = Sequence[tuple[np.ndarray, np.ndarray]]

FILE = "networks.npz"
# Kernel sizes, equal in all networks; the file determines the widths.
KERNELS = (5, 3, 3, 3, 3)
REACH = sum(size // 2 for size in KERNELS)
# Rows computed at once: few, so that they fit into the cache and need little memory.
_ROWS = 32

upscaled = functools.partial(scaling.upscaled, up="bicubic")

# The damage that each network repairs: (image, strength, generator) -> damaged image.
DAMAGE: dict[str, Callable[[np.ndarray, float, Generator], np.ndarray]] = {
    "upscaling": upscaled,
    "texture": upscaled,
    "denoising": white_noise,
    "deblocking": jpeg,
}
# Range of strengths each network was trained for; other strengths are clipped to it.
TRAINED = {
    "upscaling": (1.0, 4.0),
    "texture": (1.0, 7.0),
    "denoising": (0.0, 75.0),
    "deblocking": (1.0, 1200.0),
}


def condition(kind: str, strength: float) -> float:
    """Maps the strength to [0, 1] for the fourth input plane: linearly from 0, else by its log."""
    low, high = TRAINED[kind]
    known = min(max(strength, low), high)
    return known / high if low == 0 else math.log(known / low) / math.log(high / low)


def restored(image: RGB, strength: float, rng: Generator, *, kind: str) -> RGB:
    """Damages the image at `strength` and repairs it with the network `kind`."""
    damaged = DAMAGE[kind](image, strength, rng)
    return repair(damaged, condition(kind, strength), layers(kind))


def repair(image: RGB, known: float, network: Layers) -> RGB:
    """Adds a network's residual to the image, given the condition `known`."""
    height = image.shape[0]
    padded = np.pad(image, ((REACH, REACH), (REACH, REACH), (0, 0)), mode="symmetric")
    strips = [
        _residual(padded[top : top + _ROWS + 2 * REACH], known, network)
        for top in range(0, height, _ROWS)
    ]
    return to_uint8(image + 255 * np.concatenate(strips, axis=1).transpose(1, 2, 0))


def _residual(image: RGB, known: float, network: Layers) -> np.ndarray:
    planes = np.full((4, *image.shape[:2]), known - 0.5, np.float32)
    planes[:3] = image.transpose(2, 0, 1) / np.float32(255) - 0.5
    for kernel, bias in network[:-1]:
        planes = np.maximum(convolve(planes, kernel, bias), 0)
    return convolve(planes, *network[-1])


def convolve(planes: np.ndarray, kernel: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Correlation without padding: `(C, H, W)`, `(k, k, C, D)`, `(D,)` to `(D, H-k+1, W-k+1)`."""
    size, _, channels, depth = kernel.shape
    height, width = planes.shape[1] - size + 1, planes.shape[2] - size + 1
    # Only horizontal shifts are copied; vertical ones are views of the products.
    columns = np.concatenate([planes[:, :, right : right + width] for right in range(size)])
    rows = kernel.reshape(size, size * channels, depth).transpose(0, 2, 1).reshape(size * depth, -1)
    products = (rows @ columns.reshape(size * channels, -1)).reshape(size, depth, -1, width)
    return (
        sum(products[down, :, down : down + height] for down in range(size)) + bias[:, None, None]
    )


@functools.cache
def layers(kind: str) -> Layers:
    """Kernels `(k, k, C, D)` and biases `(D,)` of a network, first layer first."""
    file = importlib.resources.files(__package__) / FILE
    with file.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
        return tuple(
            tuple(arrays[f"{kind}/{i}/{part}"].astype(np.float32) for part in ("kernel", "bias"))
            for i in range(len(KERNELS))
        )


DISTORTIONS = (
    Distortion(
        "denoising_network",
        "restoration",
        functools.partial(restored, kind="denoising"),
        (9.0, 15.0, 26.0, 48.0, 90.0),
        (0, 250),
        "standard deviation of the noise (of 255)",
        "White noise removed by a convolutional network that is given its strength.",
        "after Zhang et al., 2018 (FFDNet); own weights",
    ),
    Distortion(
        "deblocking_network",
        "restoration",
        functools.partial(restored, kind="deblocking"),
        (60.0, 120.0, 240.0, 550.0, 1200.0),
        (1, 6000),
        "JPEG tables (percent)",
        "JPEG, then a convolutional network that is given its strength.",
        "after Dong et al., 2015 (ARCNN); own weights",
    ),
    scaling.entry(
        "upscaling_network",
        functools.partial(restored, kind="upscaling"),
        "Reduced and enlarged with bicubic, then a convolutional network trained for minimum "
        "error.",
        "after Dong et al., 2014 (SRCNN); own weights",
    ),
    scaling.entry(
        "upscaling_texture",
        functools.partial(restored, kind="texture"),
        "Reduced and enlarged with bicubic, then a convolutional network also trained for the "
        "strength of texture: sharp and partly wrong.",
        "after Ledig et al., 2017 (SRGAN), without adversarial loss; own weights",
    ),
)
