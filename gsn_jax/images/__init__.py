"""Image files and arrays as checked sRGB arrays `(..., H, W, 3)` in [0, 1], reference first.

Names are imported on first use, because tables and files need no JAX.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from gsn_jax.images.arrays import (
        ImageLike,
        as_array,
        as_float,
        as_pair,
        check_size,
        check_sizes,
    )
    from gsn_jax.images.files import (
        FORMATS,
        MAX_PIXELS,
        SUFFIXES,
        Alpha,
        load_image,
        load_luminance,
    )

__all__ = [
    "FORMATS",
    "MAX_PIXELS",
    "SUFFIXES",
    "Alpha",
    "ImageLike",
    "as_array",
    "as_float",
    "as_pair",
    "check_size",
    "check_sizes",
    "load_image",
    "load_luminance",
]

__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "arrays": ["ImageLike", "as_array", "as_float", "as_pair", "check_size", "check_sizes"],
        "files": ["FORMATS", "MAX_PIXELS", "SUFFIXES", "Alpha", "load_image", "load_luminance"],
    },
)
