"""The image formats that are read, and the suffixes by which folders find them.

Pillow is not imported here, because the help of commands names the formats.
"""

from __future__ import annotations

from collections.abc import Collection

# A name (Pillow's, if it reads the format), the common name, and the suffixes. Pillow's JPEG
# plug-in also opens JPEG files with further frames, and calls their format MPO.
TABLE = (
    ("PNG", "PNG", (".png", ".apng")),
    ("JPEG", "JPEG", (".jpg", ".jpeg", ".jfif")),
    ("WEBP", "WebP", (".webp",)),
    ("TIFF", "TIFF", (".tif", ".tiff")),
    ("BMP", "BMP", (".bmp",)),
    ("AVIF", "AVIF", (".avif",)),
    ("JXL", "JPEG XL", (".jxl",)),
    ("HEIF", "HEIC", (".heic", ".heif")),
    ("JPEG2000", "JPEG 2000", (".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx")),
    ("PPM", "PPM, PGM, PFM", (".ppm", ".pgm", ".pbm", ".pnm", ".pfm")),
    ("QOI", "QOI", (".qoi",)),
    ("GIF", "GIF", (".gif",)),
    ("EXR", "OpenEXR", (".exr",)),
    ("HDR", "Radiance HDR", (".hdr",)),
)

NAMES = tuple(name for name, _, _ in TABLE)

# These hold nothing but HDR images.
_HDR = ("EXR", "HDR")

# In lower case. Formats that this installation does not read are included: loading such a file is
# an error, which is better than skipping it in a folder.
SUFFIXES = tuple(suffix for _, _, suffixes in TABLE for suffix in suffixes)


def describe(names: Collection[str] = NAMES) -> str:
    """The common names of formats of sRGB images, for a message."""
    *first, last = (title for name, title, _ in TABLE if name in names and name not in _HDR)
    return f"{', '.join(first)} or {last}"
