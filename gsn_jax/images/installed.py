"""The formats that this installation reads, and by which libraries."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from collections.abc import Iterator

from gsn_jax.images import formats, pillow

_LIBRARIES = {
    "TIFF": "tifffile",
    "JXL": "imagecodecs",
    "HEIF": "pillow-heif",
    "EXR": "openimageio",
    "HDR": "imagecodecs",
}
_MODULES = {
    "JXL": "imagecodecs",
    "HEIF": "pillow_heif",
    "EXR": "OpenImageIO",
    "HDR": "imagecodecs",
}
_OF_EXTRA = ("pillow-heif", "openimageio")


def _is_read(name: str) -> bool:
    module = _MODULES.get(name)
    return name in pillow.FORMATS if module is None else bool(importlib.util.find_spec(module))


FORMATS = tuple(name for name in formats.NAMES if _is_read(name))


def describe() -> Iterator[str]:
    """A line for each format: its suffixes, and what reads it or what is missing."""
    for name, title, suffixes in formats.rows():
        library = _LIBRARIES.get(name, "pillow")
        if name in FORMATS:
            reader = f"{library} {importlib.metadata.version(library)}"
        elif library in _OF_EXTRA:
            reader = "unavailable; needs the extra `formats` (pip install 'gsn_jax[formats]')"
        else:
            reader = f"unavailable; this build of {library} lacks it"
        yield f"{title} ({' '.join(suffixes)}): {reader}"
