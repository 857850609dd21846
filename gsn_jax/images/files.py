"""One loader from an image file to an sRGB array, which refuses what it cannot read faithfully.

Pillow decodes; OpenCV decodes what Pillow would reduce to 8 bits (16-bit and float images).
"""

from __future__ import annotations

import io
import os
import warnings
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np
from PIL import Image, ImageCms, ImageOps

from gsn_jax.errors import InputError

Alpha = Literal["refuse", "black", "white"]

# Pillow's names; MPO (a JPEG with further frames) is opened as JPEG and has no entry of its own.
FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP")
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp")

# Above this an image is refused before it is decoded; it leaves room for 8192 x 8192.
MAX_PIXELS = 80_000_000

# Pillow knows a format by name only once its plugin is loaded, and loads few of them by itself.
Image.init()

_EXIF_ORIENTATION = 0x0112
_TIFF_BITS_PER_SAMPLE = 258


def load_image(
    path: str | os.PathLike[str],
    *,
    alpha: Alpha = "refuse",
    max_pixels: int = MAX_PIXELS,
) -> np.ndarray:
    """Reads an image file as sRGB.

    Gray and palette images become RGB, the EXIF orientation is applied, an embedded ICC profile is
    converted to sRGB (at 8 bits per channel), and 16-bit images keep their precision.

    Args:
        path: a PNG, JPEG, WebP, TIFF or BMP file with a single frame.
        alpha: what to do with transparent pixels: refuse them, or composite on black or white.
            An alpha channel that is opaque everywhere is dropped in any case.
        max_pixels: refuse images with more pixels than this, before decoding them.

    Returns:
        An array `(H, W, 3)`: uint8 for 8-bit files, float32 in [0, 1] for deeper ones. Scale the
        former with `images.as_float`.

    Raises:
        InputError: the file is missing, not an image, truncated, too large, transparent, or has
            values outside [0, 1].
    """
    data = _read(path)
    try:
        with warnings.catch_warnings():
            # The size is checked below, against our own limit and with our own words.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(data), formats=FORMATS)
    except Image.DecompressionBombError:
        raise InputError(_too_large(path, "more", max_pixels)) from None
    except Exception as error:
        if _is_tiff(data):  # Pillow knows no multi-channel float TIFF
            return _load_deep(path, data, orientation=1, alpha=alpha, max_pixels=max_pixels)
        raise InputError(
            f"{path}: not an image that can be read ({_reason(error)}); "
            "give a PNG, JPEG, WebP, TIFF or BMP file"
        ) from None
    if image.width * image.height > max_pixels:
        raise InputError(_too_large(path, f"{image.width} x {image.height}", max_pixels))
    if getattr(image, "n_frames", 1) > 1 and image.format != "MPO":
        raise InputError(f"{path}: has {image.n_frames} frames; extract the one to score")
    try:
        orientation = image.getexif().get(_EXIF_ORIENTATION, 1)
        image.load()
    except Exception as error:
        raise InputError(
            f"{path}: damaged or truncated image ({_reason(error)}); restore or remove the file"
        ) from None
    if _is_deep(image, data) and not _foreign_profile(image):
        return _load_deep(path, data, orientation=orientation, alpha=alpha, max_pixels=max_pixels)
    ImageOps.exif_transpose(image, in_place=True)
    return _to_srgb(path, image, alpha)


def read_size(path: str | os.PathLike[str] | BinaryIO) -> tuple[int, int] | None:
    """Height and width that the header of an image promises; None where it cannot be read."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path, formats=FORMATS) as image:
                return image.height, image.width
    except Exception:  # whatever is wrong is said when the file is loaded
        return None


def read_pixel_count(path: str | os.PathLike[str]) -> int:
    """How many pixels the header of an image file promises; 0 where it cannot be read."""
    height, width = read_size(path) or (0, 0)
    return height * width


def resize_image(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """An image `(H, W, 3)` of `load_image` at another height and width, in its own type.

    Bicubic, with the kernel widened for reductions (Pillow's BICUBIC).
    """
    height, width = size
    if image.dtype == np.uint8:
        return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BICUBIC))
    channels = [
        np.asarray(Image.fromarray(plane).resize((width, height), Image.Resampling.BICUBIC))
        for plane in np.moveaxis(np.float32(image), -1, 0)
    ]
    return np.clip(np.stack(channels, axis=-1), 0, 1)


def _read(path: str | os.PathLike[str]) -> bytes:
    try:
        return Path(path).read_bytes()
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; check the path") from None
    except IsADirectoryError:
        raise InputError(f"{path}: is a folder, not an image file") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: cannot be read ({reason})") from None


def _reason(error: Exception) -> str:
    if type(error).__name__ == "UnidentifiedImageError":
        return "unknown format"
    return str(error).rstrip(".") or type(error).__name__


def _too_large(path: str | os.PathLike[str], size: str, max_pixels: int) -> str:
    return f"{path}: {size} pixels is beyond the limit of {max_pixels:,} pixels; crop or reduce it"


def _is_tiff(data: bytes) -> bool:
    return data[:4] in (b"II*\0", b"MM\0*")


def _is_deep(image: Image.Image, data: bytes) -> bool:
    """Whether the file has more than 8 bits per channel."""
    if image.format == "PNG":
        return data[24] > 8  # bit depth in the IHDR chunk
    if image.format == "TIFF":
        bits = image.tag_v2.get(_TIFF_BITS_PER_SAMPLE, 8)
        return max(bits if isinstance(bits, tuple) else (bits,)) > 8
    return image.mode in ("I", "F") or image.mode.startswith("I;")


def _foreign_profile(image: Image.Image) -> ImageCms.ImageCmsProfile | None:
    """The embedded ICC profile, unless there is none or it is sRGB already."""
    profile_bytes = image.info.get("icc_profile")
    if not profile_bytes:
        return None
    profile = ImageCms.ImageCmsProfile(io.BytesIO(profile_bytes))
    return None if ImageCms.getProfileDescription(profile).startswith("sRGB") else profile


def _to_srgb(path: str | os.PathLike[str], image: Image.Image, alpha: Alpha) -> np.ndarray:
    """An 8-bit Pillow image of any mode as a uint8 array `(H, W, 3)`."""
    if image.has_transparency_data:
        rgba = np.asarray(image.convert("RGBA"))
        opacity = rgba[..., 3:]
        if opacity.min() < 255:
            rgb = _composite(path, rgba[..., :3] / 255, opacity / 255, alpha)
            image_rgb = Image.fromarray(np.round(rgb * 255).astype(np.uint8))
        else:
            image_rgb = Image.fromarray(rgba[..., :3])
        image_rgb.info = dict(image.info)
        image = image_rgb
    elif image.mode == "P":
        image = image.convert("RGB")
    elif image.mode.startswith("I"):  # 16-bit gray with a colour profile
        image = Image.fromarray((np.asarray(image) / 257).round().astype(np.uint8))
    try:
        profile = _foreign_profile(image)
        if profile is not None:
            mode = "RGB" if image.mode == "1" else image.mode
            image = ImageCms.profileToProfile(
                image.convert(mode), profile, ImageCms.createProfile("sRGB"), outputMode="RGB"
            )
    except (ImageCms.PyCMSError, OSError) as error:
        raise InputError(
            f"{path}: its colour profile cannot be applied ({_reason(error)}); "
            "convert the image to sRGB or strip the profile"
        ) from None
    if image.mode not in ("RGB", "L", "1"):
        raise InputError(
            f"{path}: colour mode {image.mode} without a usable profile; convert it to sRGB"
        )
    # A conversion copies even where there is nothing to convert.
    return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))


def _composite(
    path: str | os.PathLike[str], rgb: np.ndarray, opacity: np.ndarray, alpha: Alpha
) -> np.ndarray:
    if alpha == "refuse":
        raise InputError(
            f"{path}: has transparent pixels; flatten it, or composite with --alpha black "
            "or --alpha white"
        )
    background = {"black": 0.0, "white": 1.0}[alpha]
    return rgb * opacity + background * (1 - opacity)


def _load_deep(
    path: str | os.PathLike[str], data: bytes, *, orientation: int, alpha: Alpha, max_pixels: int
) -> np.ndarray:
    """A 16-bit or float image as float32 `(H, W, 3)`."""
    import cv2  # a third of a second; 8-bit images never need it

    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if decoded is None or decoded.dtype not in (np.uint8, np.uint16, np.float32, np.float64):
        raise InputError(f"{path}: not an image that can be read; save it as 8- or 16-bit PNG")
    height, width = decoded.shape[:2]
    if height * width > max_pixels:
        raise InputError(_too_large(path, f"{width} x {height}", max_pixels))
    values = decoded.reshape(height, width, -1)
    if values.dtype in (np.uint8, np.uint16):
        values = values / np.float32(np.iinfo(values.dtype).max)
    check_range(values, str(path))
    colour = values[..., :1] if values.shape[-1] <= 2 else values[..., 2::-1]  # BGR to RGB
    if values.shape[-1] in (2, 4) and values[..., -1].min() < 1:
        colour = _composite(path, colour, values[..., -1:], alpha)
    colour = _orient(colour, orientation)
    return np.ascontiguousarray(np.broadcast_to(colour, (*colour.shape[:2], 3)), np.float32)


def _orient(array: np.ndarray, orientation: int) -> np.ndarray:
    """Applies the EXIF orientation 1-8, as `ImageOps.exif_transpose` does."""
    if orientation in (5, 6, 7, 8):
        array = array.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    return array


def check_range(values: np.ndarray, where: str) -> None:
    """Refuses NaN and values outside [0, 1], naming `where`.

    Raises:
        InputError: a value is not finite or out of range.
    """
    low, high = float(values.min()), float(values.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise InputError(f"{where}: holds values that are not finite (NaN or infinite)")
    if low < 0 or high > 1:
        hint = "; divide 8-bit values by 255" if high > 2 else "; scale or clip them"
        raise InputError(f"{where}: float values must lie in [0, 1], got [{low:g}, {high:g}]{hint}")
