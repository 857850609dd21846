"""The formats that this installation reads, and by which libraries."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from collections.abc import Iterator

from gsn_jax.images import formats, pillow

# Packages other than Pillow that read a format, and their modules.
_PACKAGES = {
    "JXL": ("imagecodecs", "imagecodecs"),
    "HEIF": ("pillow-heif", "pillow_heif"),
    "EXR": ("openimageio", "OpenImageIO"),
    "HDR": ("imagecodecs", "imagecodecs"),
}
_OF_EXTRA = ("pillow-heif", "openimageio")


def _is_read(name: str) -> bool:
    if name not in _PACKAGES:
        return name in pillow.FORMATS
    return bool(importlib.util.find_spec(_PACKAGES[name][1]))


FORMATS = tuple(name for name in formats.NAMES if _is_read(name))


def describe() -> Iterator[str]:
    """A line for each format: its suffixes, and what reads it or what is missing."""
    for name, title, suffixes in formats.TABLE:
        library = "tifffile" if name == "TIFF" else _PACKAGES.get(name, ("pillow", ""))[0]
        if name in FORMATS:
            reader = f"{library} {importlib.metadata.version(library)}"
        elif library in _OF_EXTRA:
            reader = "unavailable; needs the extra `formats` (pip install 'gsn_jax[formats]')"
        else:
            reader = f"unavailable; this build of {library} lacks it"
        yield f"{title} ({' '.join(suffixes)}): {reader}"
