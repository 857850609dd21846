"""Writes lossless images atomically."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gsn_jax.storage import replacing

_OPTIONS: dict[str, dict[str, Any]] = {
    ".png": {"format": "PNG", "compress_level": 4},
    ".webp": {"format": "WEBP", "lossless": True, "quality": 40, "method": 2},
}


def write_image(path: Path, image: np.ndarray) -> None:
    """Writes uint8 `(H, W, 3)` losslessly as PNG or WebP, depending on the suffix.

    Writes a temporary file and renames it, so `path` is never incomplete.
    """
    with replacing(path, shared=True) as partial:
        Image.fromarray(image).save(partial, **_OPTIONS[path.suffix])
