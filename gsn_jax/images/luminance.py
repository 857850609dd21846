"""HDR images as absolute luminance: linear RGB in cd/m2 with the primaries of BT.709.

PQ is decoded by the EOTF of SMPTE ST 2084, HLG by that of ITU-R BT.2100-2 with its system gamma for
the display's peak luminance. Values of OpenEXR and Radiance HDR files are taken as cd/m2, as by the
authors of PU21.
"""

from __future__ import annotations

import logging
import math

import numpy as np
from jaxtyping import Float

from gsn_jax.errors import InputError
from gsn_jax.images import profiles, raster
from gsn_jax.images.profiles import Hdr
from gsn_jax.images.raster import Decoded, Raster8

PQ_PEAK = 10_000.0  # cd/m2

# The constants of ST 2084.
_M1, _M2 = 2610 / 16384, 2523 / 4096 * 128
_C1, _C2, _C3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32

# Those of HLG in BT.2100.
_A = 0.17883277
_B, _C = 1 - 4 * _A, 0.5 - _A * math.log(4 * _A)
_USUAL_PEAKS = (400, 2000)  # cd/m2; outside this range, BT.2390 has another formula

# Bradford's cone responses, for chromatic adaptation.
_CONES = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])

_BT709 = Hdr("linear")
_ROWS = 128  # converted at a time, in float64
_DARK = 1.0  # cd/m2; a file without brighter values is unlikely to hold absolute luminance

_logger = logging.getLogger(__name__)


def of(decoded: Decoded, where: str, peak_nits: float | None) -> Float[np.ndarray, "h w 3"]:
    """A decoded HDR image as float32 `(H, W, 3)`, upright, in cd/m2.

    Args:
        decoded: the image.
        where: what to call it in an error message.
        peak_nits: peak luminance of the display in cd/m2. HLG is decoded for it; the channels of
            other images are clipped to it, in their own primaries. None clips nothing.

    Raises:
        InputError: the image is not HDR, is transparent, is not gray or RGB, has no usable
            primaries, is HLG although `peak_nits` is None, or holds values that are negative, not
            finite or, in PQ and HLG, above 1.
    """
    hdr = profiles.hdr_of(decoded.profile)
    if hdr is None:
        raise InputError(
            f"{where}: is not an HDR image (PQ, HLG, OpenEXR or Radiance HDR); omit --hdr, or "
            "give a pair of HDR images"
        )
    if not hdr.primaries:
        raise InputError(f"{where}: does not state its primaries; tag it, usually as BT.2020")
    if hdr.transfer == "HLG" and peak_nits is None:
        raise InputError(
            f"{where}: is HLG, which is relative to the peak luminance of the display; give "
            "--peak-nits, such as 1000"
        )
    values = _values(decoded, where)
    _check(values, hdr, where)
    height, width = values.shape[:2]
    result = np.empty((height, width, 3), np.float32)
    matrix = _to_bt709(hdr, where)
    for top in range(0, height, _ROWS):
        rows = slice(top, top + _ROWS)
        part = np.broadcast_to(values[rows].astype(np.float64), result[rows].shape)
        result[rows] = _displayed(part, hdr, peak_nits) @ matrix.T
    return result


def pq(encoded: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """The EOTF of ST 2084: values in [0, 1] to cd/m2 in [0, 10000]."""
    power = encoded ** (1 / _M2)
    return PQ_PEAK * (np.maximum(power - _C1, 0) / (_C2 - _C3 * power)) ** (1 / _M1)


def hlg(
    encoded: Float[np.ndarray, "*shape 3"], peak_nits: float, weights: Float[np.ndarray, 3]
) -> Float[np.ndarray, "*shape 3"]:
    """The EOTF of HLG for a display whose black is 0: values in [0, 1] to cd/m2.

    Args:
        encoded: RGB.
        peak_nits: peak luminance of the display in cd/m2.
        weights: weights of red, green and blue in luminance.
    """
    low = encoded <= 0.5
    scene = np.where(low, encoded**2 / 3, (np.exp((encoded - _C) / _A) + _B) / 12)
    luminance = (scene @ weights)[..., None]
    # With a gamma below 1, as for a dim display, black would divide by zero.
    gain = np.maximum(luminance, 1e-12) ** (system_gamma(peak_nits) - 1)
    return peak_nits * gain * scene


def system_gamma(peak_nits: float) -> float:
    """HLG's system gamma for a display: BT.2100-2, note 5f; outside 400 to 2000 cd/m2, BT.2390."""
    low, high = _USUAL_PEAKS
    if low <= peak_nits <= high:
        return 1.2 + 0.42 * math.log10(peak_nits / 1000)
    return 1.2 * 1.111 ** math.log2(peak_nits / 1000)


def _values(decoded: Decoded, where: str) -> np.ndarray:
    """The stored values `(H, W, 1 | 3)`, upright and without opacity, as floats with white at 1."""
    if isinstance(decoded, Raster8):
        if decoded.opacity is not None or decoded.colours.mode not in ("L", "RGB"):
            raise _transparent(where)
        pixels = np.asarray(decoded.colours)
        return pixels.reshape(*pixels.shape[:2], -1) / np.float32(255)
    values = decoded.samples.astype(np.float32) / np.float32(decoded.white)
    if decoded.opacity != "none":
        if not values[..., -1].min() == 1:
            raise _transparent(where)
        values = values[..., :-1]
    if values.shape[-1] not in (1, 3):
        raise _transparent(where)
    if decoded.white_is_zero:
        values = 1 - values
    return raster.orient(values, decoded.orientation)


def _transparent(where: str) -> InputError:
    return InputError(
        f"{where}: an HDR image must be opaque and gray or RGB; flatten or convert it"
    )


def _check(values: np.ndarray, hdr: Hdr, where: str) -> None:
    if hdr.transfer != "linear":
        raster.check_range(values, where)
        return
    low, high = float(values.min()), float(values.max())
    if not (math.isfinite(low) and math.isfinite(high)):
        raise InputError(f"{where}: contains values that are not finite (NaN or infinite)")
    if low < 0:
        raise InputError(f"{where}: contains negative luminance, down to {low:g}; clip it at 0")
    if high <= _DARK:
        _logger.warning(
            "%s: its largest value is %.3g, taken as cd/m2; if its values are relative, multiply "
            "them by the luminance of white first",
            where,
            high,
        )


def _displayed(values: np.ndarray, hdr: Hdr, peak_nits: float | None) -> np.ndarray:
    """Linear RGB in cd/m2, as shown by a display with the image's primaries."""
    if hdr.transfer == "HLG":
        assert peak_nits is not None
        return hlg(values, peak_nits, _to_xyz(hdr)[1])
    shown = pq(values) if hdr.transfer == "PQ" else values
    return shown if peak_nits is None else np.minimum(shown, peak_nits)


def _to_xyz(hdr: Hdr) -> Float[np.ndarray, "3 3"]:
    """The matrix from linear RGB to XYZ, in which white has a luminance of 1."""
    x, y = np.reshape(hdr.primaries, (3, 2)).T
    columns = np.stack([x / y, np.ones(3), (1 - x - y) / y])
    return columns * np.linalg.solve(columns, _xyz_of(hdr.white))


def _xyz_of(white: tuple[float, ...]) -> Float[np.ndarray, 3]:
    return np.array([white[0] / white[1], 1, (1 - sum(white)) / white[1]])


def _to_bt709(hdr: Hdr, where: str) -> Float[np.ndarray, "3 3"]:
    """The matrix to linear RGB of BT.709, with the white adapted to D65."""
    if hdr.primaries == _BT709.primaries and hdr.white == _BT709.white:
        return np.eye(3)
    try:
        whites = (_CONES @ _xyz_of(white) for white in (_BT709.white, hdr.white))
        scale = np.divide(*whites)
        adapted = np.linalg.solve(_CONES, scale[:, None] * _CONES)
        matrix = np.linalg.solve(_to_xyz(_BT709), adapted @ _to_xyz(hdr))
    except (ArithmeticError, np.linalg.LinAlgError):
        matrix = np.full((3, 3), np.nan)
    if not np.isfinite(matrix).all():
        raise InputError(f"{where}: its primaries and white point are not usable; correct them")
    return matrix
