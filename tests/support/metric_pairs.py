"""Pairs on which other implementations of the metrics were run, uint8 `(176, 192, 3)`.

They are made with NumPy and scikit-image only, without any codec, so they are the same bytes
everywhere.
"""

import numpy as np
import skimage.data

HEIGHT, WIDTH = 176, 192


def pairs() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Reference and distorted image by name."""
    face = skimage.data.astronaut()[20 : 20 + HEIGHT, 130 : 130 + WIDTH]
    cat = skimage.data.chelsea()[60 : 60 + HEIGHT, 120 : 120 + WIDTH]
    noise = np.random.default_rng(1).normal(0, 12, face.shape)
    gray = np.repeat(cat[..., 1:2], 3, -1)
    bars = np.zeros_like(cat)
    bars[:, :64, 0] = bars[:, 64:128, 1] = bars[:, 128:, 2] = 255
    bars[60:110] = 255 - bars[60:110]
    return {
        "noise": (face, stored(face + noise)),
        "blocks": (cat, stored(0.5 * cat + 0.5 * blocks(cat))),
        "contrast": (face, stored(30 + 0.8 * face)),
        "gray": (gray, stored(16 * np.round(gray / 16))),
        "saturated": (bars, stored(0.8 * bars + 0.2 * blocks(bars))),
    }


def blocks(image: np.ndarray) -> np.ndarray:
    """Replaces the pixels of each block of 8 x 8 by their mean."""
    means = image.reshape(HEIGHT // 8, 8, WIDTH // 8, 8, 3).mean((1, 3))
    return means.repeat(8, 0).repeat(8, 1)


def stored(image: np.ndarray) -> np.ndarray:
    """The image rounded and clipped to 8 bits."""
    return np.clip(np.round(image), 0, 255).astype(np.uint8)


def floats(pair: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Both images as float32 in [0, 1]."""
    return tuple(image.astype(np.float32) / 255 for image in pair)
