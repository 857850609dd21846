"""VGG16 with L2 pooling as in DISTS, in float64 NumPy, with few channels and random weights."""

import itertools

import numpy as np

BLOCKS = ((0, 1), (2, 3), (4, 5, 6), (7, 8, 9), (10, 11, 12))


def random_convolutions(rng: np.random.Generator) -> list[tuple[np.ndarray, np.ndarray]]:
    """`(kernel, bias)` of 13 layers of 3 to 6 channels, few enough to be quick in NumPy."""
    widths = [3, *rng.integers(3, 7, 13)]
    return [
        (
            rng.normal(0, (2 / (9 * a)) ** 0.5, (3, 3, a, b)).astype(np.float32),
            rng.normal(0, 0.1, b).astype(np.float32),
        )
        for a, b in itertools.pairwise(widths)
    ]


def levels(image: np.ndarray, convolutions: list[tuple[np.ndarray, np.ndarray]]) -> list:
    """The image and its five levels of features, `(h, w, c)`."""
    image = image.astype(np.float64)
    x = (image - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    features = [image]
    for block in BLOCKS:
        x = _l2_pool(x) if len(features) > 1 else x
        for i in block:
            x = np.maximum(_convolve(x, *convolutions[i]), 0)
        features.append(x)
    return features


def _convolve(x: np.ndarray, kernel: np.ndarray, bias: np.ndarray) -> np.ndarray:
    x = np.pad(x, ((1, 1), (1, 1), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), (0, 1))
    return np.einsum("hwcij,ijck->hwk", windows, kernel) + bias


def _l2_pool(x: np.ndarray) -> np.ndarray:
    window = np.outer([1, 2, 1], [1, 2, 1]) / 16
    x = np.pad(x**2, ((1, 1), (1, 1), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), (0, 1))[::2, ::2]
    return np.sqrt(np.einsum("hwcij,ij->hwc", windows, window) + 1e-12)
