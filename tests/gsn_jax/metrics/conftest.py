"""Deterministic synthetic pairs, the same in every environment with NumPy."""

import numpy as np
import pytest


def make_pair(height: int, width: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A textured colour image and a noisy, shaded version of it, uint8 `(H, W, 3)`."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(x / 7 + y / 23), np.cos(x / 13 - y / 5), np.sin((x * y) / 900)]
    steps = 40 * (((x // 24) + (y // 16)) % 2)
    image = np.stack([100 + 40 * wave + steps for wave in waves], axis=-1)
    image += 12 * rng.standard_normal(image.shape)
    shade = 1 - 0.15 * (x / width)[..., None]
    distorted = image * shade + 9 * rng.standard_normal(image.shape)
    return tuple(np.clip(np.round(i), 0, 255).astype(np.uint8) for i in (image, distorted))


@pytest.fixture(scope="session")
def pair():
    """The pair of 192 x 176 pixels on which the golden values were computed, floats in [0, 1]."""
    return tuple(image.astype(np.float32) / 255 for image in make_pair(176, 192))
