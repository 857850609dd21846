"""Decoded images with their metadata, and their conversion to sRGB."""

from __future__ import annotations

import dataclasses
from typing import Literal

import numpy as np
from PIL import Image

from gsn_jax.errors import InputError
from gsn_jax.images import colour, profiles

Alpha = Literal["refuse", "black", "white"]


@dataclasses.dataclass(frozen=True)
class Raster:
    """Samples as they are stored, and what they mean.

    Attributes:
        samples: `(H, W, C)`, unsigned integers or floats; gray, RGB or CMYK, then the opacity.
        white: the sample value that stands for 1.
        opacity: what the last channel is: no opacity, straight or premultiplied opacity, or
            something that the file does not name.
        white_is_zero: whether gray values are inverted, with 0 for white.
        profile: the ICC profile; None for sRGB, an `Hdr` for an HDR image.
        orientation: the EXIF orientation, 1 to 8.
    """

    samples: np.ndarray
    white: float = 1.0
    opacity: Literal["none", "straight", "premultiplied", "unnamed"] = "none"
    white_is_zero: bool = False
    profile: profiles.Profile = None
    orientation: int = 1


@dataclasses.dataclass(frozen=True)
class Raster8:
    """An upright 8-bit image, as Pillow decodes it.

    Attributes:
        colours: an image of mode L, RGB, CMYK or LAB.
        opacity: its straight opacity `(H, W)`, uint8; None if it is opaque.
        profile: see `Raster`.
    """

    colours: Image.Image
    opacity: np.ndarray | None
    profile: profiles.Profile


Decoded = Raster | Raster8


def to_srgb(raster: Decoded, where: str, alpha: Alpha) -> np.ndarray:
    """A decoded image as sRGB `(H, W, 3)`, upright: uint8 up to 8 bits, else float32 in [0, 1].

    Args:
        raster: the image.
        where: what to call it in an error message.
        alpha: see `load_image`.

    Raises:
        InputError: the image is HDR, is transparent and `alpha` refuses that, has an unnamed extra
            channel, values outside [0, 1] or a profile that cannot be applied.
    """
    profiles.refuse_hdr(raster.profile, where)
    if isinstance(raster, Raster8):
        return _finish_8bit(raster, where, alpha)
    if raster.samples.dtype == np.uint8:
        return _to_srgb_8bit(raster, where, alpha)
    values = raster.samples.astype(np.float32, copy=False)
    if raster.white != 1:
        values /= np.float32(raster.white)
    check_range(values, where)
    opacity = None
    if raster.opacity != "none":
        values, opacity = values[..., :-1], values[..., -1:]
        if opacity.min() == 1:
            opacity = None
    if opacity is not None:
        check_named(raster.opacity != "unnamed", where)
        _check_transparency(where, alpha)
        if raster.opacity == "premultiplied":
            values = np.divide(values, opacity, out=np.zeros_like(values), where=opacity > 0)
            values = np.minimum(values, 1)
    if raster.white_is_zero:
        values = 1 - values
    srgb = colour.convert_float(values, raster.profile, where)
    if opacity is not None:
        srgb = _composite(srgb, opacity, alpha)
    return np.ascontiguousarray(orient(srgb, raster.orientation), np.float32)


def check_named(named: bool, where: str) -> None:
    """Refuses an image with an extra channel of unknown meaning.

    Raises:
        InputError: `named` is False.
    """
    if not named:
        raise InputError(
            f"{where}: has an extra channel whose meaning the file does not state; remove it"
        )


def _to_srgb_8bit(raster: Raster, where: str, alpha: Alpha) -> np.ndarray:
    values = orient(raster.samples, raster.orientation)
    if raster.white != 255:
        values = values * np.uint8(255 // raster.white)  # exact for 1, 2 and 4 bits
    opacity = None
    if raster.opacity != "none":
        values, opacity = values[..., :-1], values[..., -1]
        if opacity.min() == 255:
            opacity = None
    if opacity is not None:
        check_named(raster.opacity != "unnamed", where)
        if raster.opacity == "premultiplied":
            straight = values * 255.0 / np.maximum(opacity, 1)[..., None]
            values = np.minimum(np.round(straight), 255).astype(np.uint8)
    if raster.white_is_zero:
        values = 255 - values
    plane = values[..., 0] if values.shape[-1] == 1 else values
    colours = Image.fromarray(np.ascontiguousarray(plane))
    return _finish_8bit(Raster8(colours, opacity, raster.profile), where, alpha)


def _finish_8bit(raster: Raster8, where: str, alpha: Alpha) -> np.ndarray:
    srgb = np.asarray(colour.convert_8bit(raster.colours, raster.profile, where))
    if raster.opacity is None:
        return srgb
    _check_transparency(where, alpha)
    over = _composite(srgb / 255, raster.opacity[..., None] / 255, alpha)
    return np.round(over * 255).astype(np.uint8)


def _check_transparency(where: str, alpha: Alpha) -> None:
    """Refuses an image with transparent pixels unless `alpha` sets a background.

    Raises:
        InputError: `alpha` is "refuse".
    """
    if alpha == "refuse":
        raise InputError(
            f"{where}: has transparent pixels; flatten it, or name a background, black or white: "
            "--alpha black in gsn score and gsn serve, load_image(path, alpha='black') in Python"
        )


def _composite(rgb: np.ndarray, opacity: np.ndarray, alpha: Alpha) -> np.ndarray:
    """Composites straight colour `(H, W, 3)` with opacity `(H, W, 1)`, both in [0, 1]."""
    background = 1.0 if alpha == "white" else 0.0
    return rgb * opacity + background * (1 - opacity)


def orient(array: np.ndarray, orientation: int) -> np.ndarray:
    """Applies the EXIF orientation 1 to 8, as `PIL.ImageOps.exif_transpose` does."""
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
        raise InputError(f"{where}: contains values that are not finite (NaN or infinite)")
    if low < 0 or high > 1:
        hint = "; divide 8-bit values by 255" if high > 2 else "; scale or clip them"
        raise InputError(f"{where}: float values must lie in [0, 1], got [{low:g}, {high:g}]{hint}")
