"""Writes lossless images and text files atomically."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gsn_jax import storage

_OPTIONS: dict[str, dict[str, Any]] = {
    ".png": {"format": "PNG", "compress_level": 4},
    ".webp": {"format": "WEBP", "lossless": True, "quality": 40, "method": 2},
}


def write_image(path: Path, image: np.ndarray) -> None:
    """Writes uint8 `(H, W, 3)` losslessly, as .png or .webp by the suffix.

    A temporary file is renamed, so that `path` is never incomplete.
    """
    aside = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        Image.fromarray(image).save(aside, **_OPTIONS[path.suffix])
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Writes a text file in UTF-8; like `write_image`, `path` is never incomplete.

    It may be in a bucket, see `gsn_jax.storage`.
    """
    if storage.is_url(path):
        path.write_text(text, encoding="utf-8")
        return
    aside = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        aside.write_text(text, encoding="utf-8", newline="")
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)
