"""HDR files, written by libraries, and definitions in float64 to compare with."""

import struct

import imagecodecs
import numpy as np
from image_files import SRGB, WHITE, _adaptation, to_xyz, with_chunks

BT709_LUMINANCE = (0.212656, 0.715158, 0.072186)


def to_pq(luminance):
    """The inverse EOTF of SMPTE ST 2084, from cd/m2 to [0, 1]."""
    power = (np.asarray(luminance, np.float64) / 10_000) ** 0.1593017578125
    return ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375


def from_hlg(encoded, peak, gamma, weights=(0.2627, 0.6780, 0.0593)):
    """Display light in cd/m2 by ITU-R BT.2100, table 5, for a black level of 0."""
    scene = np.where(
        encoded <= 0.5,
        encoded**2 / 3,
        (np.exp((encoded - 0.55991073) / 0.17883277) + 0.28466892) / 12,
    )
    return peak * (scene @ weights)[..., None] ** (gamma - 1) * scene


def to_bt709(linear, primaries, white=WHITE):
    """Linear RGB of some primaries as linear RGB of BT.709."""
    matrix = np.linalg.solve(to_xyz(SRGB), _adaptation(white) @ to_xyz(primaries, white))
    return linear @ matrix.T


def pu21(luminance):
    """PU21 by Mantiuk and Azimi, 2021, with the parameters of `banding_glare`."""
    p = [0.353487901, 0.3734658629, 8.277049286e-05, 0.9062562627, 0.09150303166, 0.9099517204]
    y = np.clip(np.asarray(luminance, np.float64), 0.005, 10_000) ** p[3]
    return np.maximum(596.3148142 * (((p[0] + p[1] * y) / (1 + p[2] * y)) ** p[4] - p[5]), 0)


def png(encoded, transfer, primaries=9):
    """A 16-bit PNG file with code points, and the values that it holds."""
    samples = np.round(encoded * 65535).astype(np.uint16)
    chunk = b"cICP", bytes([primaries, transfer, 0, 1])
    return with_chunks(imagecodecs.png_encode(samples), chunk), samples / 65535


def radiance(luminance, *lines):
    """A Radiance HDR file with additional lines in its header."""
    data = imagecodecs.rgbe_encode(np.float32(luminance))
    place = data.index(b"FORMAT")
    return data[:place] + b"".join(line + b"\n" for line in lines) + data[place:]


def write_exr(path, values, names="RGB", form="float", window=None, **attributes):
    """Writes an OpenEXR file with OpenImageIO."""
    import OpenImageIO

    values = np.float32(values)
    height, width, channels = values.shape
    spec = OpenImageIO.ImageSpec(width, height, channels, form)
    spec.channelnames = list(names)
    for name, value in attributes.items():
        kind = f"float[{len(value)}]" if isinstance(value, tuple) else "float"
        spec.attribute(name, OpenImageIO.TypeDesc(kind), value)
    if window is not None:
        spec.full_width, spec.full_height = window
    output = OpenImageIO.ImageOutput.create(str(path))
    assert output.open(str(path), spec), output.geterror()
    assert output.write_image(values), output.geterror()
    output.close()
    return path


def changed_exr(path, values, text, offset, content):
    """Writes an OpenEXR file in which `content` replaces the bytes at `offset` after `text`."""
    data = write_exr(path, values).read_bytes()
    place = data.index(text) + len(text) + offset
    path.write_bytes(data[:place] + content + data[place + len(content) :])


def window(right, bottom):
    return struct.pack("<4i", 0, 0, right, bottom)
