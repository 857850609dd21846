"""Conversion to sRGB by ICC profile, by code points (CICP) or by gamma, with littlecms.

Gamma and code points are turned into a profile first, so that every image takes the same path.
"""

from __future__ import annotations

import functools
import io
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageCms

from gsn_jax.errors import InputError

_D65 = (0.3127, 0.3290)
_SRGB_PRIMARIES = (0.64, 0.33, 0.30, 0.60, 0.15, 0.06)

# ITU-T H.273: the chromaticities of red, green and blue; all have the white point D65.
_PRIMARIES = {
    1: _SRGB_PRIMARIES,
    2: _SRGB_PRIMARIES,  # unspecified
    5: (0.64, 0.33, 0.29, 0.60, 0.15, 0.06),  # BT.601, 625 lines
    6: (0.630, 0.340, 0.310, 0.595, 0.155, 0.070),  # BT.601, 525 lines
    7: (0.630, 0.340, 0.310, 0.595, 0.155, 0.070),
    9: (0.708, 0.292, 0.170, 0.797, 0.131, 0.046),  # BT.2020
    12: (0.680, 0.320, 0.265, 0.690, 0.150, 0.060),  # Display P3
    22: (0.630, 0.340, 0.295, 0.605, 0.155, 0.077),
}
# Images with the curve of BT.709, BT.601 or BT.2020, or an unspecified one, are made for the same
# displays as sRGB images, and viewers show them with the sRGB curve.
_LIKE_SRGB = (1, 2, 6, 13, 14, 15)
_GAMMAS = {4: 2.2, 5: 2.8, 8: 1.0}
_HDR = {16: "PQ", 18: "HLG"}

# A profile whose 8-bit transform to sRGB moves no value further than this is sRGB but for rounding.
_ROUNDING = 1

# The largest relative difference of two gammas that libpng treats as equal.
_GAMMA_TOLERANCE = 0.05
_PNG_GAMMA_OF_SRGB = 0.45455


def convert_8bit(image: Image.Image, profile: bytes | None, where: str) -> Image.Image:
    """An 8-bit image of mode L, RGB, CMYK or LAB in sRGB, as mode RGB.

    Args:
        image: the image, without transparency.
        profile: its ICC profile; None stands for sRGB.
        where: what to call the image in an error message.

    Raises:
        InputError: the profile is broken or does not fit, or the mode needs one.
    """
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
        return _to_srgb(image, source)
    except (ImageCms.PyCMSError, OSError, RuntimeError, ValueError) as error:
        raise inapplicable(where, error) from None


def convert_float(colour: np.ndarray, profile: bytes | None, where: str) -> np.ndarray:
    """Gray, RGB or CMYK values `(H, W, 1 | 3 | 4)` in [0, 1] as sRGB `(H, W, 3)` in [0, 1].

    Args:
        colour: float32, without transparency; CMYK counts ink.
        profile: the ICC profile; None stands for sRGB.
        where: what to call the image in an error message.

    Raises:
        InputError: as for `convert_8bit`.
    """
    if profile is None and colour.shape[-1] == 4:
        raise InputError(f"{where}: colour mode CMYK without a usable profile; convert it to sRGB")
    if profile is not None:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            space = source.profile.xcolor_space.strip().lower()
            same = space in ("rgb", "gray") and colour.shape[-1] < 4 and is_srgb(profile)
            if not same:
                return _transform(colour, space, profile)
        except (ImageCms.PyCMSError, OSError, RuntimeError, ValueError) as error:
            raise inapplicable(where, error) from None
    return np.broadcast_to(colour, (*colour.shape[:2], 3))


@functools.lru_cache(maxsize=64)
def is_srgb(profile: bytes) -> bool:
    """Whether a gray or RGB profile converts to sRGB without changing any colour.

    The transform decides, not the name: linear profiles, too, have names that begin with "sRGB".

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


def from_code_points(primaries: int, transfer: int, where: str) -> bytes | None:
    """The profile that code points of ITU-T H.273 (CICP, nclx) stand for; None for sRGB.

    Raises:
        InputError: the image is HDR (PQ or HLG), or has code points that are not known.
    """
    if transfer in _HDR:
        raise InputError(
            f"{where}: is an HDR image ({_HDR[transfer]}); convert it to sRGB before scoring"
        )
    if primaries not in _PRIMARIES or transfer not in (*_LIKE_SRGB, *_GAMMAS):
        raise InputError(
            f"{where}: its colour space (CICP primaries {primaries}, transfer {transfer}) is not "
            "known; convert the image to sRGB"
        )
    chromaticities = _PRIMARIES[primaries]
    if transfer in _GAMMAS:
        return _profile("rgb", where, chromaticities, gamma=_GAMMAS[transfer])
    if chromaticities == _SRGB_PRIMARIES:
        return None
    return _profile("rgb", where, chromaticities, curve=_srgb_curve())


def from_gamma(
    gamma: float | None,
    chromaticities: Sequence[float] | None,
    where: str,
    *,
    gray: bool,
) -> bytes | None:
    """The profile that the gAMA and cHRM chunks of a PNG stand for; None for sRGB.

    Args:
        gamma: the exponent with which the values were encoded, 0.45455 in sRGB files; None where
            the file does not say.
        chromaticities: x and y of white, red, green and blue; None where the file does not say.
        where: what to call the image in an error message.
        gray: whether the image is gray, so that its primaries do not matter.

    Raises:
        InputError: there is no profile with these values.
    """
    if gray or chromaticities is None:
        chromaticities = (*_D65, *_SRGB_PRIMARIES)
    plain_gamma = gamma is None or (abs(gamma / _PNG_GAMMA_OF_SRGB - 1) <= _GAMMA_TOLERANCE)
    plain_primaries = np.allclose(chromaticities, (*_D65, *_SRGB_PRIMARIES), rtol=0, atol=0.005)
    if plain_gamma and plain_primaries:
        return None
    white, primaries = chromaticities[:2], chromaticities[2:]
    kind = "gray" if gray else "rgb"
    if gamma is None:
        return _profile(kind, where, primaries, white=white, curve=_srgb_curve())
    return _profile(kind, where, primaries, white=white, gamma=1 / gamma)


def inapplicable(where: str, error: Exception) -> InputError:
    """The error for an image whose colour information is broken or does not fit."""
    reason = str(error).rstrip(".") or type(error).__name__
    return InputError(
        f"{where}: its colour profile cannot be applied ({reason}); "
        "convert the image to sRGB or strip the profile"
    )


def _as_rgb(image: Image.Image) -> Image.Image:
    # A conversion copies even where there is nothing to convert.
    return image if image.mode == "RGB" else image.convert("RGB")


def _gray_to_srgb(
    image: Image.Image, source: ImageCms.ImageCmsProfile, profile: bytes
) -> Image.Image:
    # The 8-bit path of littlecms is off by up to seven levels in the shadows of gray images.
    levels = np.linspace(0, 1, 256, dtype=np.float32)[None, :, None]
    srgb = _transform(levels, source.profile.xcolor_space.strip().lower(), profile)[0]
    return Image.fromarray(np.round(srgb * 255).astype(np.uint8)[np.asarray(image)])


def _to_srgb(image: Image.Image, source: ImageCms.ImageCmsProfile) -> Image.Image:
    converted = ImageCms.profileToProfile(
        image, source, ImageCms.createProfile("sRGB"), outputMode="RGB"
    )
    if converted is None:  # only a conversion in place gives None
        raise OSError("the conversion gave nothing")
    return converted


def _transform(colour: np.ndarray, space: str, profile: bytes) -> np.ndarray:
    import imagecodecs

    values = np.ascontiguousarray(colour)
    if space == "gray" and values.shape[-1] == 1:
        values = values[..., 0]
    elif space == "rgb" and values.shape[-1] == 1:
        values = np.repeat(values, 3, axis=-1)
    elif space == "cmyk" and values.shape[-1] == 4:
        values = np.round(values * 65535).astype(np.uint16)  # floats would count percent
    elif space != "rgb" or values.shape[-1] != 3:
        raise ValueError(f"a {space} profile on {values.shape[-1]} channels")
    srgb = imagecodecs.cms_transform(
        values,
        profile,
        _srgb_profile(),
        colorspace=space,
        outcolorspace="rgb",
        outdtype="float32",
        intent=ImageCms.Intent.PERCEPTUAL,
    )
    return np.clip(srgb, 0, 1)


@functools.cache
def _srgb_profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def _srgb_curve() -> np.ndarray:
    """The sRGB curve (IEC 61966-2-1) from encoded to linear values, at 4096 points."""
    encoded = np.linspace(0, 1, 4096)
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    return linear.astype(np.float32)


def _profile(
    kind: str,
    where: str,
    primaries: Sequence[float],
    *,
    white: Sequence[float] = _D65,
    gamma: float | None = None,
    curve: np.ndarray | None = None,
) -> bytes:
    import imagecodecs

    def with_luminance(chromaticities: Sequence[float]) -> list[float]:
        pairs = np.reshape(chromaticities, (-1, 2))
        return [value for x, y in pairs for value in (float(x), float(y), 1.0)]

    try:
        return imagecodecs.cms_profile(
            kind,
            whitepoint=with_luminance(white),
            primaries=with_luminance(primaries) if kind == "rgb" else None,
            gamma=gamma,
            transferfunction=curve,
        )
    except (RuntimeError, ValueError) as error:
        raise inapplicable(where, error) from None
