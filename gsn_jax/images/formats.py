"""The image formats that are read, and the suffixes by which folders find them."""

from __future__ import annotations

from PIL import Image

# Pillow's name of a format, the name that people use, and its suffixes. Pillow opens an MPO file
# (a JPEG with further frames) as JPEG.
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

# Pillow knows a format by name only once its plugin is loaded, and loads few of them by itself.
Image.init()

# Pillow can be built without some of its formats.
FORMATS = tuple(name for name, _, _ in _TABLE if name in Image.OPEN)
SUFFIXES = tuple(suffix for name, _, suffixes in _TABLE if name in FORMATS for suffix in suffixes)


def describe() -> str:
    """The names of the formats, for a message."""
    *first, last = (title for name, title, _ in _TABLE if name in FORMATS)
    return f"{', '.join(first)} or {last}"
