"""Conversion to sRGB by ICC profile, with littlecms."""

from __future__ import annotations

import functools
import io
import logging

import numpy as np
from PIL import Image, ImageCms

from gsn_jax.errors import InputError
from gsn_jax.images import profiles

# A profile counts as sRGB if its 8-bit transform to sRGB moves no value by more than this.
_ROUNDING = 1

# Values outside [0, 1] by less than half an 8-bit level do not count as clipped.
_CLIPPED = 0.5 / 255

_logger = logging.getLogger(__name__)


def convert_8bit(image: Image.Image, profile: profiles.Profile, where: str) -> Image.Image:
    """Converts an 8-bit image of mode L, RGB, CMYK or LAB to sRGB, in mode RGB.

    If colours lie outside sRGB, they are clipped and a warning is logged.

    Args:
        image: the image, without transparency.
        profile: its ICC profile; None stands for sRGB.
        where: what to call the image in an error message.

    Raises:
        InputError: the image is HDR, its profile is broken or does not fit, or the mode needs one.
    """
    profile = profiles.refuse_hdr(profile, where)
    if profile is None:
        if image.mode in ("L", "RGB"):
            return _as_rgb(image)
        raise InputError(
            f"{where}: colour mode {image.mode} without a usable profile; convert it to sRGB"
        )
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if image.mode == "L" and source.profile.xcolor_space.strip() == "RGB":
            image = _as_rgb(image)
        if image.mode in ("L", "RGB") and is_srgb(profile):
            return _as_rgb(image)
        if image.mode == "L":
            return _gray_to_srgb(image, source, profile)
        converted = _to_srgb(image, source)
        _warn_of_clipping(_count_clipped(image, converted, profile), image.size, where)
        return converted
    except (ImageCms.PyCMSError, OSError, RuntimeError, ValueError) as error:
        raise profiles.inapplicable(where, error) from None


def convert_float(colour: np.ndarray, profile: profiles.Profile, where: str) -> np.ndarray:
    """Converts gray, RGB or CMYK `(H, W, 1 | 3 | 4)` in [0, 1] to sRGB `(H, W, 3)` in [0, 1].

    Colours outside sRGB are clipped with a warning, as in `convert_8bit`.

    Args:
        colour: float32, without transparency; 1 is full ink in CMYK.
        profile: the ICC profile; None stands for sRGB.
        where: what to call the image in an error message.

    Raises:
        InputError: as for `convert_8bit`.
    """
    profile = profiles.refuse_hdr(profile, where)
    if profile is None and colour.shape[-1] == 4:
        raise InputError(f"{where}: colour mode CMYK without a usable profile; convert it to sRGB")
    if profile is not None:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            space = source.profile.xcolor_space.strip().lower()
            same = space in ("rgb", "gray") and colour.shape[-1] < 4 and is_srgb(profile)
            if not same:
                srgb = _transform(colour, space, profile)
                _warn_of_clipping(_clipped(srgb), colour.shape[:2], where)
                return np.clip(srgb, 0, 1)
        except (ImageCms.PyCMSError, OSError, RuntimeError, ValueError) as error:
            raise profiles.inapplicable(where, error) from None
    return np.broadcast_to(colour, (*colour.shape[:2], 3))


@functools.lru_cache(maxsize=64)
def is_srgb(profile: bytes) -> bool:
    """Whether a profile is gray or RGB and converts to sRGB without changing any colour.

    The transform decides, not the name: names of linear profiles may begin with "sRGB" as well.

    Raises:
        OSError: the profile is broken.
        PyCMSError: it cannot be applied.
    """
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    space = source.profile.xcolor_space.strip()
    levels = np.arange(256, dtype=np.uint8)
    if space == "GRAY":
        probe = Image.fromarray(levels[None])
    elif space == "RGB":
        grid = np.stack(np.meshgrid(*[levels[::15]] * 3, indexing="ij"), axis=-1)
        ramp = np.repeat(levels[:, None], 3, axis=-1)
        probe = Image.fromarray(np.concatenate([grid.reshape(-1, 3), ramp])[None])
    else:
        return False
    before = np.asarray(probe.convert("RGB"), np.int16)
    return bool(np.abs(np.asarray(_to_srgb(probe, source)) - before).max() <= _ROUNDING)


def _as_rgb(image: Image.Image) -> Image.Image:
    # A conversion copies even if there is nothing to convert.
    return image if image.mode == "RGB" else image.convert("RGB")


def _gray_to_srgb(
    image: Image.Image, source: ImageCms.ImageCmsProfile, profile: bytes
) -> Image.Image:
    # The 8-bit path of littlecms is off by up to seven levels in the shadows of gray images.
    levels = np.linspace(0, 1, 256, dtype=np.float32)[None, :, None]
    srgb = _transform(levels, source.profile.xcolor_space.strip().lower(), profile)[0].clip(0, 1)
    return Image.fromarray(np.round(srgb * 255).astype(np.uint8)[np.asarray(image)])


def _to_srgb(image: Image.Image, source: ImageCms.ImageCmsProfile) -> Image.Image:
    converted = ImageCms.profileToProfile(
        image, source, ImageCms.createProfile("sRGB"), outputMode="RGB"
    )
    if converted is None:  # only a conversion in place returns None
        raise OSError("the conversion returned nothing")
    return converted


def _count_clipped(image: Image.Image, converted: Image.Image, profile: bytes) -> int:
    """How many pixels of an 8-bit image were clipped; only those with a 0 or 255 are checked."""
    if image.mode not in ("RGB", "CMYK"):
        return 0
    srgb = np.asarray(converted)
    ends = ((srgb == 0) | (srgb == 255)).any(axis=-1)
    colours = np.asarray(image)[ends][None].astype(np.float32) / 255
    return _clipped(_transform(colours, image.mode.lower(), profile)) if colours.size else 0


def _clipped(srgb: np.ndarray) -> int:
    """How many pixels have a value outside [0, 1], by more than rounding."""
    return int((np.abs(srgb - np.float32(0.5)).max(axis=-1) > 0.5 + _CLIPPED).sum())


def _warn_of_clipping(pixels: int, size: tuple[int, ...], where: str) -> None:
    if pixels:
        share = 100 * pixels / (size[0] * size[1])
        _logger.warning(
            "%s: %s %% of the pixels have colours outside sRGB, which were clipped",
            where,
            f"{share:.1f}" if share >= 0.1 else "less than 0.1",
        )


def _transform(colour: np.ndarray, space: str, profile: bytes) -> np.ndarray:
    """Values `(H, W, C)` in [0, 1] as sRGB `(H, W, 3)`; colours outside sRGB leave [0, 1]."""
    import imagecodecs

    values = np.ascontiguousarray(colour)
    if space == "gray" and values.shape[-1] == 1:
        values = values[..., 0]
    elif space == "rgb" and values.shape[-1] == 1:
        values = np.repeat(values, 3, axis=-1)
    elif space == "cmyk" and values.shape[-1] == 4:
        values = np.round(values * 65535).astype(np.uint16)  # floats would be taken as percent
    elif space != "rgb" or values.shape[-1] != 3:
        raise ValueError(f"a profile for {space}, but {values.shape[-1]} channels")
    return imagecodecs.cms_transform(
        values,
        profile,
        _srgb_profile(),
        colorspace=space,
        outcolorspace="rgb",
        outdtype="float32",
        intent=ImageCms.Intent.PERCEPTUAL,
    )


@functools.cache
def _srgb_profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
