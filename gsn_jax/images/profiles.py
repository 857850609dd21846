"""ICC profiles from other colour information: code points (CICP), gamma and chromaticities.

They are made with littlecms, so that every image takes the same path to sRGB. HDR images have an
`Hdr` instead.
"""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Sequence
from typing import Literal

import numpy as np

from gsn_jax.errors import InputError

D65 = (0.3127, 0.3290)
_SRGB_PRIMARIES = (0.64, 0.33, 0.30, 0.60, 0.15, 0.06)

# ITU-T H.273: the chromaticities of red, green and blue; all have the white point D65.
PRIMARIES = {
    1: _SRGB_PRIMARIES,
    2: _SRGB_PRIMARIES,  # unspecified
    5: (0.64, 0.33, 0.29, 0.60, 0.15, 0.06),  # BT.601, 625 lines
    6: (0.630, 0.340, 0.310, 0.595, 0.155, 0.070),  # BT.601, 525 lines
    7: (0.630, 0.340, 0.310, 0.595, 0.155, 0.070),
    9: (0.708, 0.292, 0.170, 0.797, 0.131, 0.046),  # BT.2020
    12: (0.680, 0.320, 0.265, 0.690, 0.150, 0.060),  # Display P3
    22: (0.630, 0.340, 0.295, 0.605, 0.155, 0.077),
}
_ADOBE_RGB = (0.64, 0.33, 0.21, 0.71, 0.15, 0.06)
_ADOBE_GAMMA = 563 / 256
# Images with the curve of BT.709, BT.601 or BT.2020, or an unspecified one, are made for the same
# displays as sRGB images, and viewers show them with the sRGB curve.
_LIKE_SRGB = (1, 2, 6, 13, 14, 15)
_GAMMAS = {4: 2.2, 5: 2.8, 8: 1.0}
_HDR: dict[int, Literal["PQ", "HLG"]] = {16: "PQ", 18: "HLG"}

# The largest relative difference between gammas that libpng treats as equal.
_GAMMA_TOLERANCE = 0.05
_PNG_GAMMA_OF_SRGB = 0.45455


@dataclasses.dataclass(frozen=True)
class Hdr:
    """How an HDR image is coded.

    Attributes:
        transfer: PQ (SMPTE ST 2084), HLG (ITU-R BT.2100), or linear: values in cd/m2.
        primaries: x and y of red, green and blue; empty if the file does not specify them.
        white: x and y of white.
        name: common name of this kind of image.
    """

    transfer: Literal["PQ", "HLG", "linear"]
    primaries: tuple[float, ...] = _SRGB_PRIMARIES
    white: tuple[float, ...] = D65
    name: str = ""


# None stands for sRGB.
Profile = bytes | Hdr | None


def from_code_points(primaries: int, transfer: int, where: str) -> Profile:
    """The profile that code points of ITU-T H.273 (CICP, nclx) stand for.

    Raises:
        InputError: the code points are not known.
    """
    if transfer in _HDR:
        return _hdr(primaries, transfer)
    if primaries not in PRIMARIES or transfer not in (*_LIKE_SRGB, *_GAMMAS):
        raise InputError(
            f"{where}: its colour space (CICP primaries {primaries}, transfer {transfer}) is not "
            "supported; convert it to sRGB"
        )
    return from_values(PRIMARIES[primaries], _GAMMAS.get(transfer), where)


def from_values(
    primaries: Sequence[float],
    gamma: float | None,
    where: str,
    *,
    white: Sequence[float] = D65,
    gray: bool = False,
) -> bytes | None:
    """The profile with given primaries, white point and curve; None for sRGB.

    Args:
        primaries: x and y of red, green and blue.
        gamma: the exponent with which values are decoded; None for the curve of sRGB.
        where: what to call the image in an error message.
        white: x and y of white.
        gray: whether the image is gray, so that its primaries do not matter.

    Raises:
        InputError: no profile can have these values.
    """
    kind = "gray" if gray else "rgb"
    if gamma is not None:
        return _profile(kind, where, primaries, white=white, gamma=gamma)
    if tuple(white) == D65 and (gray or tuple(primaries) == _SRGB_PRIMARIES):
        return None
    return _profile(kind, where, primaries, white=white, curve=_srgb_curve())


def from_gamma(
    gamma: float | None,
    chromaticities: Sequence[float] | None,
    where: str,
    *,
    gray: bool,
) -> bytes | None:
    """The profile that the gAMA and cHRM chunks of a PNG stand for; None for sRGB.

    Args:
        gamma: the exponent with which the values were encoded, 0.45455 in sRGB files; None if the
            file has no gAMA.
        chromaticities: x and y of white, red, green and blue; None if the file has no cHRM.
        where: what to call the image in an error message.
        gray: whether the image is gray, so that its chromaticities are ignored.

    Raises:
        InputError: no profile can have these values.
    """
    if gray or chromaticities is None:
        chromaticities = (*D65, *_SRGB_PRIMARIES)
    plain_gamma = gamma is None or (abs(gamma / _PNG_GAMMA_OF_SRGB - 1) <= _GAMMA_TOLERANCE)
    plain_primaries = np.allclose(chromaticities, (*D65, *_SRGB_PRIMARIES), rtol=0, atol=0.005)
    if plain_gamma and plain_primaries:
        return None
    white, primaries = chromaticities[:2], chromaticities[2:]
    exponent = None if gamma is None else 1 / gamma
    return from_values(primaries, exponent, where, white=white, gray=gray)


def adobe_rgb(where: str) -> bytes | None:
    """The profile of Adobe RGB (1998)."""
    return from_values(_ADOBE_RGB, _ADOBE_GAMMA, where)


def gamma_of(transfer: int, where: str) -> float | None:
    """The exponent with which a curve of ITU-T H.273 decodes values; None for the sRGB curve.

    Raises:
        InputError: the curve is not known.
    """
    if transfer not in (*_LIKE_SRGB, *_GAMMAS):
        raise InputError(
            f"{where}: its transfer function (code {transfer}) is not supported; convert it to sRGB"
        )
    return _GAMMAS.get(transfer)


def hdr_transfer(transfer: int) -> Literal["PQ", "HLG"] | None:
    """The HDR curve that a code of ITU-T H.273 stands for; None if it is not an HDR curve."""
    return _HDR.get(transfer)


def hdr_of(profile: Profile) -> Hdr | None:
    """How an HDR image is coded; None for other images.

    An ICC profile states HDR in its tag `cicp`, see ICC.1:2022, 9.2.17.
    """
    if not isinstance(profile, bytes):
        return profile
    count = int.from_bytes(profile[128:132], "big")
    for entry in range(132, min(132 + 12 * count, len(profile) - 11), 12):
        name, offset, size = struct.unpack(">4sII", profile[entry : entry + 12])
        if name == b"cicp" and size >= 12 and offset + 12 <= len(profile):
            primaries, transfer = profile[offset + 8 : offset + 10]
            if transfer in _HDR:
                return _hdr(primaries, transfer)
    return None


def refuse_hdr(profile: Profile, where: str) -> bytes | None:
    """Returns the profile of an SDR image, and refuses that of an HDR image.

    Raises:
        InputError: the image is HDR.
    """
    hdr = hdr_of(profile)
    if hdr is None:
        assert not isinstance(profile, Hdr)
        return profile
    raise InputError(
        f"{where}: is an HDR image ({hdr.name or hdr.transfer}); score it with --hdr pu21, or "
        "convert it to sRGB"
    )


def inapplicable(where: str, error: Exception) -> InputError:
    """The error for an image whose colour information is broken or does not fit."""
    reason = str(error).rstrip(".") or type(error).__name__
    return InputError(
        f"{where}: its colour profile cannot be applied ({reason}); "
        "convert the image to sRGB or strip the profile"
    )


def _hdr(primaries: int, transfer: int) -> Hdr:
    # HDR images have no default for unspecified primaries.
    return Hdr(_HDR[transfer], () if primaries == 2 else PRIMARIES.get(primaries, ()))


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
    white: Sequence[float],
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
