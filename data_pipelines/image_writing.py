"""Lossless image files, whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from PIL import Image

_OPTIONS = {
    ".png": {"format": "PNG", "compress_level": 4},
    ".webp": {"format": "WEBP", "lossless": True, "quality": 40, "method": 2},
}


def write_image(path: Path, image: np.ndarray) -> None:
    """Writes uint8 `(H, W, 3)` losslessly as the suffix says (.png or .webp).

    The file is written aside and renamed: at `path` there is a whole file or none.
    """
    aside = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        Image.fromarray(image).save(aside, **_OPTIONS[path.suffix])
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Writes a text file aside and renames it."""
    aside = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        aside.write_text(text, encoding="utf-8", newline="")
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)
