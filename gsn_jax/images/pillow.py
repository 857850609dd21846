"""Images read by Pillow: 8-bit files, the headers of deeper ones, and Pillow's own objects."""

from __future__ import annotations

import contextlib
import io
import struct
from collections.abc import Sequence
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, TiffImagePlugin, UnidentifiedImageError

from gsn_jax.errors import InputError
from gsn_jax.images import avif, formats, jpeg2000, png, portable_map, profiles, raster
from gsn_jax.images.raster import Alpha, Decoded, Raster, Raster8

# Pillow knows a format by name only once its plug-in is loaded, and loads few of them by itself.
Image.init()

# Pillow can be built without some of its formats.
FORMATS = tuple(name for name in formats.NAMES if name in Image.OPEN)

_BYTES_OF_SIGNATURE = 16
_OTHER_FORMAT = (SyntaxError, IndexError, TypeError, struct.error)  # as for `Image.open`

_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# EXIF's interoperability index, by which cameras declare Adobe RGB without a profile (DCF 2.0).
_INTEROPERABILITY, _INDEX, _ADOBE_RGB = 0xA005, 1, "R03"


def open_file(file: BinaryIO | bytes, names: Sequence[str] = FORMATS) -> Image.Image:
    """Opens an image file in one of these formats, without decoding it.

    `Image.open` would refuse what is beyond `Image.MAX_IMAGE_PIXELS`, a limit of the whole process.
    The caller checks the size against its own.

    Raises:
        Exception: of any kind, if Pillow cannot open the file.
    """
    file = io.BytesIO(file) if isinstance(file, bytes) else file
    file.seek(0)
    start = file.read(_BYTES_OF_SIGNATURE)
    for name in names:
        factory, accept = Image.OPEN[name]
        accepted = accept is None or accept(start)
        if accepted and not isinstance(accepted, str):  # a text is a reason
            file.seek(0)
            with contextlib.suppress(*_OTHER_FORMAT):
                return factory(file, "")
    raise UnidentifiedImageError("unknown format")


def size_before_opening(data: bytes) -> tuple[int, int] | None:
    """Width and height of a WebP file; None for other formats.

    Pillow allocates the whole canvas of a WebP file as soon as it opens it.
    """
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP" or len(data) < 30:
        return None
    kind = data[12:16]
    if kind == b"VP8X":
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if kind == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    sizes = int.from_bytes(data[26:28], "little"), int.from_bytes(data[28:30], "little")
    return sizes[0] & 0x3FFF, sizes[1] & 0x3FFF


def orientation_in_header(image: Image.Image) -> int:
    """The EXIF orientation of an opened file, without decoding it."""
    if image.format == "PNG" and "exif" not in image.info:
        return 1  # getexif would decode a PNG file to look for it after the pixels
    return image.getexif().get(_ORIENTATION, 1)


def decode(image: Image.Image, data: bytes, where: str) -> Decoded:
    """The samples of an opened file, and what they mean.

    Args:
        image: an image from `open_file`, with one frame and a size that has been checked.
        data: the bytes of the file.
        where: what to call it in an error message.

    Raises:
        InputError: the image's depth, layout or colour space is not supported.
        Exception: of any kind, if the file is damaged.
    """
    if image.format == "JPEG2000":
        _check_jpeg2000(image, data, where)
    elif image.format == "AVIF":
        avif.check_sizes(data)
    orientation = image.getexif().get(_ORIENTATION, 1)
    part = next(iter(getattr(image, "tile", ())), ())  # cleared by loading
    if isinstance(image, TiffImagePlugin.TiffImageFile) and image.tile:
        # As Pillow itself would, but only up to the limit of the process.
        image.im = Image.core.new(image.mode, image._tile_size)
    image.load()
    if image.format == "PNG" and png.depth(data) in (2, 4) and image.mode == "L":
        _scale_transparent_level(image, png.depth(data))
    deep = _decode_deep(image, data, where, orientation, part)
    return deep or _as_raster(image, _profile(image, data, where), where)


def from_object(image: Image.Image, where: str, alpha: Alpha) -> np.ndarray:
    """A Pillow image as sRGB `(H, W, 3)`, as if it had been loaded from its file.

    Pillow keeps no cICP chunk of a PNG and no code points of an AVIF, so such images count as sRGB.

    Raises:
        InputError: its mode is not gray, RGB or a palette and it has no profile, it is transparent
            and `alpha` refuses that, or its file is damaged.
    """
    try:
        image.load()
    except Exception as error:  # of any kind, as Pillow's decoders raise
        raise InputError(f"{where}: damaged or truncated image ({error})") from None
    profile = image.info.get("icc_profile") or _profile_of_png_values(image, where)
    profile = profile or _profile_in_exif(image, where)
    return raster.to_srgb(_as_raster(image, profile, where), where, alpha)


def _decode_deep(
    image: Image.Image, data: bytes, where: str, orientation: int, part: tuple[Any, ...]
) -> Raster | None:
    """Decodes a file of more than 8 bits that Pillow would reduce; None for any other."""
    if image.format == "PNG" and png.depth(data) > 8:
        return png.decode(data, where, orientation)
    if image.format == "AVIF" and avif.depth(data) > 8:
        return avif.decode(data, where, orientation)
    if image.format == "JPEG2000" and jpeg2000.layout(data, where)[2] > 8:
        return jpeg2000.decode(data, where)
    if image.format == "PPM" and image.mode == "RGB":
        return _decode_deep_ppm(part, data, where)
    return None


def _scale_transparent_level(image: Image.Image, depth: int) -> None:
    """Scales the transparent gray level to 8 bits, as Pillow scales the samples only."""
    level = image.info.get("transparency")
    if isinstance(level, int):
        image.info["transparency"] = level * 255 // (2**depth - 1)


def _check_jpeg2000(image: Image.Image, data: bytes, where: str) -> None:
    width, height, depth = jpeg2000.layout(data, where)
    if (width, height) != image.size:
        raise ValueError("its headers disagree about the size")
    if not 8 <= depth <= 16:
        raise InputError(f"{where}: JPEG 2000 with {depth} bits is not supported; save it as PNG")


def _decode_deep_ppm(part: tuple[Any, ...], data: bytes, where: str) -> Raster | None:
    decoder, (left, top, right, bottom), start, settings = part
    white = 255 if decoder == "raw" else settings[-1]
    if white <= 255:
        return None
    if decoder != "ppm":
        raise InputError(
            f"{where}: plain PPM with more than 8 bits is not supported; "
            "save it as 16-bit PNG or TIFF"
        )
    return portable_map.decode_16bit(data, start, (right - left, bottom - top), white)


def _profile(image: Image.Image, data: bytes, where: str) -> profiles.Profile:
    """The ICC profile of a file; None for sRGB."""
    if image.format == "PNG":
        return png.read_profile(data, where)
    if image.format == "AVIF":
        return avif.profile(data, where)
    if image.format == "JPEG2000":
        return jpeg2000.profile(data, where)
    # QOI's flag for linear light is ignored: Pillow sets it in sRGB files.
    return image.info.get("icc_profile") or _profile_in_exif(image, where)


def _profile_of_png_values(image: Image.Image, where: str) -> bytes | None:
    """The profile of a PNG's gAMA and cHRM, as far as Pillow keeps them."""
    if "srgb" in image.info or not {"gamma", "chromaticity"} & image.info.keys():
        return None
    gray = image.mode not in ("P", "RGB", "RGBA")
    gamma, chromaticities = (image.info.get(name) for name in ("gamma", "chromaticity"))
    return profiles.from_gamma(gamma or None, chromaticities, where, gray=gray)


def _profile_in_exif(image: Image.Image, where: str) -> bytes | None:
    try:
        index = image.getexif().get_ifd(_INTEROPERABILITY).get(_INDEX)
    except Exception:  # damaged EXIF is ignored
        return None
    return profiles.adobe_rgb(where) if index == _ADOBE_RGB else None


def _as_raster(image: Image.Image, profile: profiles.Profile, where: str) -> Decoded:
    """A Pillow image of any mode, with its profile."""
    deep = _deep_mode(image, profile)
    if deep is not None:
        return deep
    turn = _TURNS.get(image.getexif().get(_ORIENTATION, 1))
    if turn is not None:
        image = image.transpose(turn)
    return Raster8(*_split(image, where), profile)


def _deep_mode(image: Image.Image, profile: profiles.Profile) -> Raster | None:
    """An image whose Pillow mode has 16 bits or floats; None for any other."""
    scaled = image.mode == "I" and image.format == "PPM"  # by Pillow, to 16 bits
    if image.mode.startswith("I;16") or scaled:
        white = 65535
    elif image.mode == "F":
        white = 1
    else:
        return None
    samples = np.asarray(image)[..., None]
    turn = image.getexif().get(_ORIENTATION, 1)
    return Raster(samples, white=white, profile=profile, orientation=turn)


def _split(image: Image.Image, where: str) -> tuple[Image.Image, np.ndarray | None]:
    """The colours in a mode that littlecms supports, and the opacity unless it is all 255."""
    if image.mode == "RGBX":
        raster.check_named(np.asarray(image)[..., 3].min() == 255, where)
        return image.convert("RGB"), None
    if image.has_transparency_data:
        gray = image.mode in ("L", "LA", "La")
        image = image.convert("LA" if gray else "RGBA")
        opacity = np.asarray(image.getchannel("A"))
        image = image.convert("L" if gray else "RGB")
        return image, opacity if opacity.min() < 255 else None
    if image.mode == "1":
        image = image.convert("L")
    elif image.mode == "P":
        image = image.convert("RGB")
    return image, None
