"""The image formats that are read, and the suffixes by which folders find them.

Pillow is not imported here, because the help of commands names the formats.
"""

from __future__ import annotations

from collections.abc import Collection

# Pillow's name of a format, the name that people use, and its suffixes. Pillow's JPEG plug-in also
# opens JPEG files with further frames, and calls their format MPO.
_TABLE = (
    ("PNG", "PNG", (".png",)),
    ("JPEG", "JPEG", (".jpg", ".jpeg", ".jfif")),
    ("WEBP", "WebP", (".webp",)),
    ("TIFF", "TIFF", (".tif", ".tiff")),
    ("BMP", "BMP", (".bmp",)),
    ("AVIF", "AVIF", (".avif",)),
    ("JPEG2000", "JPEG 2000", (".jp2", ".j2k", ".jpf", ".jpx")),
    ("PPM", "PPM, PGM, PFM", (".ppm", ".pgm", ".pbm", ".pnm", ".pfm")),
    ("QOI", "QOI", (".qoi",)),
    ("GIF", "GIF", (".gif",)),
)

NAMES = tuple(name for name, _, _ in _TABLE)


def suffixes(names: Collection[str] = NAMES) -> tuple[str, ...]:
    """The suffixes of files in these formats, in lower case."""
    return tuple(suffix for name, _, suffixes in _TABLE if name in names for suffix in suffixes)


def describe(names: Collection[str] = NAMES) -> str:
    """The formats as people call them, for a message."""
    *first, last = (title for name, title, _ in _TABLE if name in names)
    return f"{', '.join(first)} or {last}"
