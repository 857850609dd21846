"""Loads an image file as a validated array, or raises a one-line error.

Pillow decodes files of 8 bits per channel, except for plain TIFF files, which tifffile decodes.
Deeper files are decoded by tifffile and imagecodecs, which keep their depth. JPEG XL, HEIC, colour
PFM, OpenEXR and Radiance HDR have readers of their own. Metadata has the same meaning for all.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Iterator
from typing import BinaryIO

import numpy as np
from PIL import Image

from gsn_jax.errors import InputError
from gsn_jax.images import (
    formats,
    heif,
    jpeg_xl,
    luminance,
    open_exr,
    pillow,
    portable_map,
    radiance,
    raster,
    tiff,
)
from gsn_jax.images.decoder_warnings import silenced
from gsn_jax.images.formats import SUFFIXES
from gsn_jax.images.installed import FORMATS
from gsn_jax.images.raster import Alpha, Decoded
from gsn_jax.images.reader import Reader

__all__ = [
    "FORMATS",
    "MAX_PIXELS",
    "SUFFIXES",
    "Alpha",
    "load_image",
    "load_luminance",
    "read_file",
    "read_pixel_count",
    "read_size",
    "resize_image",
]

_READERS: tuple[Reader, ...] = (jpeg_xl, heif, portable_map, open_exr, radiance)

# Larger images are refused before they are decoded. 8192 x 8192 is allowed.
MAX_PIXELS = 80_000_000

# Limits the size of a file: bytes per allowed pixel (four float32 channels), and bytes for
# metadata.
_BYTES_PER_PIXEL = 16
_BYTES_OF_METADATA = 64 * 2**20

_BYTES_OF_SIGNATURE = 64  # or of a list of brands
_BYTES_OF_HEADER = 2**20  # including metadata that may precede the size

_TURNED = (5, 6, 7, 8)  # orientations that swap height and width


def load_image(
    path: str | os.PathLike[str],
    *,
    alpha: Alpha = "refuse",
    max_pixels: int = MAX_PIXELS,
) -> np.ndarray:
    """Reads an image file as sRGB.

    Gray and palette images become RGB, and the orientation is applied. Colours are converted to
    sRGB from the file's ICC profile, CICP code points or gamma. Deep images keep their precision.

    Args:
        path: a file with a single frame in one of `FORMATS`.
        alpha: what to do with transparent pixels: refuse them, or composite on black or white.
            An alpha channel that is opaque everywhere is dropped in any case.
        max_pixels: refuse images with more pixels than this, before decoding them.

    Returns:
        An array `(H, W, 3)`: uint8 for 8-bit files, float32 in [0, 1] for deeper ones. Scale the
        former with `images.as_float`.

    Raises:
        InputError: the file is missing, not a regular file, not an image, truncated, too large,
            transparent or HDR, or has values outside [0, 1].
    """
    return _load(path, max_pixels, lambda decoded, where: raster.to_srgb(decoded, where, alpha))


def load_luminance(
    path: str | os.PathLike[str],
    *,
    peak_nits: float | None = None,
    max_pixels: int = MAX_PIXELS,
) -> np.ndarray:
    """Reads an HDR image file as absolute luminance; see `luminance.of`.

    Args:
        path: an image in PQ or HLG, or an OpenEXR or Radiance HDR file, whose values are cd/m2.
        peak_nits: peak luminance of the display in cd/m2. HLG needs it; others are clipped to it.
        max_pixels: refuse images with more pixels than this, before decoding them.

    Returns:
        float32 `(H, W, 3)`: linear RGB with the primaries of BT.709, in cd/m2. Colours outside
        these primaries have negative values.

    Raises:
        InputError: as for `load_image`; or the image is not HDR.
    """
    return _load(path, max_pixels, lambda decoded, where: luminance.of(decoded, where, peak_nits))


def read_size(path: str | os.PathLike[str] | BinaryIO) -> tuple[int, int] | None:
    """Height and width of the upright image, from its header alone; None if it cannot be read."""
    try:
        if not isinstance(path, (str, os.PathLike)):
            return _size_in_header(path)
        with _open_regular(path) as file:
            return _size_in_header(file)
    except Exception:  # reported when the file is loaded
        return None


def read_pixel_count(path: str | os.PathLike[str]) -> int:
    """Number of pixels according to the header of an image file; 0 if it cannot be read."""
    height, width = read_size(path) or (0, 0)
    return height * width


def read_file(path: str | os.PathLike[str], limit: int) -> bytes:
    """The bytes of a regular file.

    Args:
        path: the file.
        limit: the largest size in bytes.

    Raises:
        InputError: the file is missing, too large, or not a regular file.
    """
    try:
        with _open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            data = file.read(limit + 1) if size <= limit else b""
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; check the path") from None
    except IsADirectoryError:
        raise InputError(f"{path}: is a folder, not an image file") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: cannot be read ({reason})") from None
    if max(size, len(data)) > limit:
        raise InputError(
            f"{path}: {size:,} bytes is beyond the limit of {limit:,} bytes for an image file"
        )
    return data


def resize_image(image: np.ndarray, size: tuple[int, int], *, clipped: bool = True) -> np.ndarray:
    """Resizes an image `(H, W, 3)` to another height and width; its type stays the same.

    Bicubic, with the kernel widened for reductions (Pillow's BICUBIC). Floats are clipped to
    [0, 1] unless `clipped` is False, as for luminance from `load_luminance`.
    """
    height, width = size
    if image.dtype == np.uint8:
        return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BICUBIC))
    channels = [
        np.asarray(Image.fromarray(plane).resize((width, height), Image.Resampling.BICUBIC))
        for plane in np.moveaxis(image.astype(np.float32), -1, 0)
    ]
    resized = np.stack(channels, axis=-1)
    return np.clip(resized, 0, 1) if clipped else resized


def _load(
    path: str | os.PathLike[str], max_pixels: int, convert: Callable[[Decoded, str], np.ndarray]
) -> np.ndarray:
    """Reads and decodes a file; returns the result of `convert` on the image and its name."""
    where = str(path)
    data = read_file(path, _BYTES_PER_PIXEL * max_pixels + _BYTES_OF_METADATA)
    with silenced():
        if tiff.is_tiff(data):
            header = _read_tiff_header(data, where, max_pixels)
            if header.bits > 8 or header.plain:
                with _refused_as(_damaged, where):
                    return convert(tiff.decode(data, where), where)
        if reader := _reader(data):
            return convert(_decode(reader, data, where, max_pixels), where)
        image = _open(data, where, max_pixels)
        with _refused_as(_damaged, where):
            return convert(pillow.decode(image, data, where), where)


@contextlib.contextmanager
def _refused_as(refusal: Callable[[str, Exception], InputError], where: str) -> Iterator[None]:
    """Turns errors of decoders, which raise anything on a damaged file, into an `InputError`."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        raise refusal(where, error) from None


def _open_regular(path: str | os.PathLike[str]) -> BinaryIO:
    """Opens a regular file; a pipe or a device could block, or never end.

    Raises:
        InputError: it is not a regular file.
        OSError: it cannot be opened.
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    file = open(path, "rb", opener=lambda name, _: os.open(name, flags))  # noqa: SIM115
    if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        return file
    file.close()
    raise InputError(f"{path}: is a pipe or a device, not an image file")


def _open(data: bytes, where: str, max_pixels: int) -> Image.Image:
    """Opens an image with Pillow, and checks that it has one frame and an allowed size."""
    with _refused_as(_not_an_image, where):
        early = pillow.size_before_opening(data)
        if early is not None:
            _check_size(early, where, max_pixels)
        try:
            image = pillow.open_file(data)
            _check_size(image.size, where, max_pixels)
            frames = getattr(image, "n_frames", 1)
        except Image.DecompressionBombError:  # a GIF frame that is larger than the file's screen
            limit = 2 * (Image.MAX_IMAGE_PIXELS or 0)  # Pillow's own
            size = f"more than {limit:,}"
            raise InputError(_too_large(where, size, min(limit, max_pixels))) from None
    if frames > 1 and image.format != "MPO":
        raise InputError(f"{where}: has {frames} frames; extract the one to score")
    return image


def _reader(start: bytes) -> Reader | None:
    """The reader of a file with this beginning; None if Pillow or tifffile reads it."""
    return next((reader for reader in _READERS if reader.accepts(start)), None)


def _decode(reader: Reader, data: bytes, where: str, max_pixels: int) -> Decoded:
    with _refused_as(_not_an_image, where):
        header = reader.read_header(data, where)
    _check_size((header.width, header.height), where, max_pixels)
    with _refused_as(_damaged, where):
        return reader.decode(data, header, where)


def _read_tiff_header(data: bytes, where: str, max_pixels: int) -> tiff.Header:
    with _refused_as(_not_an_image, where):
        header = tiff.read_header(data)
    _check_size((header.width, header.height), where, max_pixels)
    if header.largest_part > max_pixels:
        raise InputError(_too_large(where, f"a tile of {header.largest_part:,}", max_pixels))
    if header.pages > 1:
        raise InputError(f"{where}: has {header.pages} frames; extract the one to score")
    return header


def _size_in_header(file: BinaryIO) -> tuple[int, int]:
    start = file.read(_BYTES_OF_SIGNATURE)
    file.seek(0)
    with silenced():
        if reader := _reader(start):
            header = reader.read_header(file.read(_BYTES_OF_HEADER), "")
            return header.height, header.width
        if tiff.is_tiff(start):
            header = tiff.read_header(file)
            width, height, orientation = header.width, header.height, header.orientation
        else:
            image = pillow.open_file(file)
            (width, height), orientation = image.size, pillow.orientation_in_header(image)
    return (width, height) if orientation in _TURNED else (height, width)


def _check_size(size: tuple[int, int], where: str, max_pixels: int) -> None:
    width, height = size
    if width * height > max_pixels:
        raise InputError(_too_large(where, f"{width} x {height}", max_pixels))


def _too_large(where: str, size: str, max_pixels: int) -> str:
    limit = f"the limit of {max_pixels:,} pixels"
    return f"{where}: {size} pixels is beyond {limit}; crop or downscale it"


def _not_an_image(where: str, error: Exception) -> InputError:
    return InputError(
        f"{where}: not an image that can be read ({_reason(error)}); "
        f"give a {formats.describe(FORMATS)} file"
    )


def _damaged(where: str, error: Exception) -> InputError:
    return InputError(
        f"{where}: damaged or truncated image ({_reason(error)}); restore or remove the file"
    )


def _reason(error: Exception) -> str:
    if type(error).__name__ == "UnidentifiedImageError":
        return "unknown format"
    return str(error).rstrip(".") or type(error).__name__
