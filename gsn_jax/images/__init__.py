"""Image files and arrays as checked sRGB arrays `(..., H, W, 3)` in [0, 1], reference first."""

from gsn_jax.images.arrays import ImageLike, as_array, as_float, as_pair, check_sizes
from gsn_jax.images.files import FORMATS, MAX_PIXELS, SUFFIXES, Alpha, load_image

__all__ = [
    "FORMATS",
    "MAX_PIXELS",
    "SUFFIXES",
    "Alpha",
    "ImageLike",
    "as_array",
    "as_float",
    "as_pair",
    "check_sizes",
    "load_image",
]
