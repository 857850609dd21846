"""Definitions to compare image files with, independent of the code under test."""

import struct
import zlib

import imagecodecs
import numpy as np

WHITE = (0.3127, 0.3290)
SRGB = (0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
DISPLAY_P3 = (0.680, 0.320, 0.265, 0.690, 0.150, 0.060)
ADOBE_RGB = (0.64, 0.33, 0.21, 0.71, 0.15, 0.06)
BT2020 = (0.708, 0.292, 0.170, 0.797, 0.131, 0.046)


def linear_to_srgb(linear):
    """From linear light to encoded values, by IEC 61966-2-1."""
    linear = np.clip(linear, 0, 1)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def srgb_to_linear(encoded):
    """From encoded values to linear light, by IEC 61966-2-1."""
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


def to_xyz(primaries, white=WHITE):
    """The matrix from linear RGB to XYZ."""
    x, y = np.reshape(primaries, (3, 2)).T
    columns = np.stack([x / y, np.ones(3), (1 - x - y) / y])
    return columns * np.linalg.solve(columns, _xyz_of(white))


def _xyz_of(white):
    return np.array([white[0] / white[1], 1, (1 - sum(white)) / white[1]])


def _adaptation(white):
    """The matrix in XYZ from a white point to D65, by Bradford's cones (ICC.1:2022, annex E)."""
    cones = np.array(
        [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
    )
    scale = (cones @ _xyz_of(WHITE)) / (cones @ _xyz_of(white))
    return np.linalg.solve(cones, scale[:, None] * cones)


def convert(linear, primaries, white=WHITE):
    """Linear RGB `(..., 3)` of some primaries as encoded sRGB."""
    matrix = np.linalg.solve(to_xyz(SRGB), _adaptation(white) @ to_xyz(primaries, white))
    return linear_to_srgb(linear @ matrix.T)


def upright(array, orientation):
    """An image turned upright by its EXIF orientation."""
    return {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.swapaxes(0, 1),
        6: lambda a: a.swapaxes(0, 1)[:, ::-1],
        7: lambda a: a.swapaxes(0, 1)[::-1, ::-1],
        8: lambda a: a.swapaxes(0, 1)[::-1],
    }[orientation](array)


def profile(kind, *, gamma=None, curve=None, primaries=SRGB):
    """An ICC profile made by littlecms, "rgb" or "gray", with the white point D65."""

    def flat(pairs):
        return [value for x, y in np.reshape(pairs, (-1, 2)) for value in (x, y, 1.0)]

    return imagecodecs.cms_profile(
        kind,
        whitepoint=flat(WHITE),
        primaries=flat(primaries) if kind == "rgb" else None,
        gamma=gamma,
        transferfunction=curve,
    )


# L*, a* and b* of paper, and what full cyan, magenta, yellow and black ink add to them. All inks
# together give black, so there is no black point to compensate.
_PAPER = np.array([100.0, 0, 0])
_INKS = np.array([[-20.0, -30, -30], [-20, 45, -20], [-10, -15, 50], [-50, 0, 0]])


def cmyk_profile():
    """An ICC profile of an ideal press, in which L*, a* and b* are linear in the inks.

    A table with two points per ink (ICC.1:2001-04, lut16Type) represents it exactly.
    """
    inks = np.stack(np.meshgrid(*[[0, 1]] * 4, indexing="ij"), axis=-1).reshape(-1, 4)
    lab = (_PAPER + inks @ _INKS) * [652.8, 256, 256] + [0, 32768, 32768]
    ramp = np.array([0, 65535])
    table = struct.pack(">4sI4B9i2H", b"mft2", 0, 4, 3, 2, 0, *(65536 * np.eye(3, dtype=int)).flat,
                        2, 2)  # fmt: skip
    table += (
        np.concatenate([*[ramp] * 4, np.round(lab).ravel(), *[ramp] * 3]).astype(">u2").tobytes()
    )
    header = struct.pack(
        ">I4sI4s4s4s12s4s28s3i48s", 144 + len(table), b"", 0x02400000, b"prtr", b"CMYK", b"Lab ",
        b"", b"acsp", b"", 63190, 65536, 54061, b"",
    )  # fmt: skip
    return header + struct.pack(">I4sII", 1, b"A2B0", 144, len(table)) + table


def cmyk_to_srgb(inks):
    """Encoded sRGB of inks `(..., 4)` in [0, 1], under `cmyk_profile`."""
    light, a, b = np.moveaxis(_PAPER + inks @ _INKS, -1, 0)
    middle = (light + 16) / 116
    roots = np.stack([middle + a / 500, middle, middle - b / 200], axis=-1)
    cubes = np.where(roots > 6 / 29, roots**3, 3 * (6 / 29) ** 2 * (roots - 4 / 29))
    d50 = (0.34567, 0.35850)
    xyz = cubes * [0.9642, 1, 0.8249] @ _adaptation(d50).T
    return linear_to_srgb(np.linalg.solve(to_xyz(SRGB), xyz[..., None])[..., 0])


def srgb_curve():
    """The curve of sRGB as a table for `profile`."""
    return srgb_to_linear(np.linspace(0, 1, 4096)).astype(np.float32)


def png_chunk(kind, content):
    body = kind + content
    return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))


def with_chunks(data, *chunks):
    """A PNG file with additional chunks after its header."""
    return data[:33] + b"".join(png_chunk(*chunk) for chunk in chunks) + data[33:]
