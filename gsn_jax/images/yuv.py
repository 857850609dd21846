"""Converts planes of a video frame to RGB, with the matrices, ranges and depths of ITU-T H.273.

Subsampled chroma is brought to the size of luma by linear interpolation. Its samples lie where
MPEG-2, H.264, HEVC and AV1 put them by default: in 4:2:0, horizontally on every second luma sample
and vertically halfway between two rows.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Literal

import numpy as np
from jaxtyping import Float, UInt

# Supported matrices: the weights of red and blue in luma.
_WEIGHTS = {
    1: (0.2126, 0.0722),  # BT.709
    4: (0.30, 0.11),  # FCC
    5: (0.299, 0.114),  # BT.601, 625 lines
    6: (0.299, 0.114),  # BT.601, 525 lines
    7: (0.212, 0.087),  # SMPTE 240M
    9: (0.2627, 0.0593),  # BT.2020, not constant luminance
}
MATRICES = tuple(_WEIGHTS)

# Players assume BT.709 for videos above standard definition that do not specify their matrix.
_SD_WIDTH, _SD_HEIGHT = 1280, 576
_BT709, _BT601 = 1, 6


@dataclasses.dataclass(frozen=True)
class Coding:
    """How colours are coded: code points of ITU-T H.273, None where a video specifies none.

    Attributes:
        matrix: matrix coefficients.
        full_range: whether values use the full range, not the studio range (16 to 235).
        primaries: colour primaries.
        transfer: transfer characteristics.
        kind: what the samples are.
    """

    matrix: int | None = None
    full_range: bool | None = None
    primaries: int | None = None
    transfer: int | None = None
    kind: Literal["yuv", "gray", "rgb"] = "yuv"

    def filled_from(self, other: Coding) -> Coding:
        """This coding, with unspecified fields taken from another.

        Matrix and range are taken only from a coding of the same kind.
        """
        if self.kind != other.kind:
            other = dataclasses.replace(other, matrix=None, full_range=None)
        own = dataclasses.asdict(self)
        return Coding(
            **{
                name: value if own[name] is None else own[name]
                for name, value in dataclasses.asdict(other).items()
            }
        )


def default_coding(width: int, height: int) -> Coding:
    """The coding assumed for a video that specifies none.

    The matrix is BT.709 from 1280 columns or above 576 rows, otherwise BT.601, as in players. Luma
    and chroma have the studio range. Primaries and transfer are unspecified, which stands for sRGB.
    (For gray and RGB, `gsn_jax.images.video` sets the full range, as FFmpeg does.)
    """
    large = width >= _SD_WIDTH or height > _SD_HEIGHT
    return Coding(_BT709 if large else _BT601, full_range=False, primaries=2, transfer=2)


def to_rgb(
    planes: Sequence[UInt[np.ndarray, "_ _"]], bits: int, matrix: int, full_range: bool
) -> Float[np.ndarray, "h w 3"]:
    """Converts luma and chroma to RGB.

    Args:
        planes: `(Y, Cb, Cr)`, with chroma at the size of luma or a fraction of it, rounded up; or
            `(Y,)` for a gray video.
        bits: depth of the samples.
        matrix: one of `MATRICES`.
        full_range: see `Coding`.

    Returns:
        float32 `(H, W, 3)`, clipped to [0, 1].
    """
    luma = scaled(planes[0], bits, full_range)
    if len(planes) == 1:
        return np.repeat(luma[..., None], 3, axis=-1)
    height, width = luma.shape
    blue, red = (
        _enlarged(_centred(plane, bits, full_range), height, width) for plane in planes[1:]
    )
    of_red, of_blue = _WEIGHTS[matrix]
    of_green = 1 - of_red - of_blue
    rgb = np.empty((height, width, 3), np.float32)
    rgb[..., 0] = luma + np.float32(2 * (1 - of_red)) * red
    rgb[..., 2] = luma + np.float32(2 * (1 - of_blue)) * blue
    rgb[..., 1] = (
        luma
        - np.float32(2 * (1 - of_red) * of_red / of_green) * red
        - np.float32(2 * (1 - of_blue) * of_blue / of_green) * blue
    )
    return np.clip(rgb, 0, 1, out=rgb)


def scaled(plane: UInt[np.ndarray, "h w"], bits: int, full_range: bool) -> Float[np.ndarray, "h w"]:
    """Scales luma, red, green or blue to 0 for black and 1 for white, without clipping."""
    if full_range:
        return plane.astype(np.float32) / np.float32(2**bits - 1)
    unit = 2 ** (bits - 8)
    return (plane.astype(np.float32) - np.float32(16 * unit)) / np.float32(219 * unit)


def _centred(
    plane: UInt[np.ndarray, "h w"], bits: int, full_range: bool
) -> Float[np.ndarray, "h w"]:
    """Scales chroma to [-0.5, 0.5], without clipping."""
    scale = 2**bits - 1 if full_range else 224 * 2 ** (bits - 8)
    return (plane.astype(np.float32) - np.float32(2 ** (bits - 1))) / np.float32(scale)


def _enlarged(
    plane: Float[np.ndarray, "_ _"], height: int, width: int
) -> Float[np.ndarray, "{height} {width}"]:
    rows, columns = plane.shape
    step = -(-width // columns)
    if step > 1:
        plane = _between(plane, np.arange(width) / step, axis=1)
    step = -(-height // rows)
    if step > 1:
        plane = _between(plane, (np.arange(height) + 0.5) / step - 0.5, axis=0)
    return plane


def _between(plane: np.ndarray, positions: np.ndarray, axis: int) -> np.ndarray:
    """Linear interpolation at positions along an axis; constant beyond the outer samples."""
    last = plane.shape[axis] - 1
    positions = np.clip(positions, 0, last)
    before = np.floor(positions).astype(int)
    share = (positions - before).astype(np.float32)
    lower = np.take(plane, before, axis=axis)
    upper = np.take(plane, np.minimum(before + 1, last), axis=axis)
    return lower + (share[:, None] if axis == 0 else share) * (upper - lower)
