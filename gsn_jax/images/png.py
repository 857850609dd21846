"""What Pillow does not report of PNG files: 16-bit samples and all colour information."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from gsn_jax.errors import InputError
from gsn_jax.images import profiles
from gsn_jax.images.raster import Raster

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_MAX_PROFILE = 16 * 2**20  # bytes; profiles of printing presses take about two million
_CHANNELS = {0: 1, 2: 3, 4: 2, 6: 4}
# The first column and row, and the steps, of each pass of an interlaced image.
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2),
          (0, 1, 1, 2))  # fmt: skip


def depth(data: bytes) -> int:
    """Bits per sample of a PNG file, from its header."""
    return data[24]


def read_profile(data: bytes, where: str) -> profiles.Profile:
    """The ICC profile that a PNG file's colour chunks stand for; None for sRGB.

    The first chunk in this order counts: cICP, iCCP, sRGB, gAMA with cHRM.

    Raises:
        InputError: its colour space is not known or damaged.
        ValueError: the file is damaged.
    """
    chunks: dict[bytes, bytes] = {}
    for kind, content in _chunks(data):
        if kind == b"IDAT":
            break
        chunks.setdefault(kind, content)
    if b"cICP" in chunks:
        return _code_points(chunks[b"cICP"], where)
    if b"iCCP" in chunks:
        return _embedded_profile(chunks[b"iCCP"], where)
    if b"sRGB" in chunks:
        return None
    gamma = chromaticities = None
    if len(chunks.get(b"gAMA", b"")) == 4:
        gamma = struct.unpack(">I", chunks[b"gAMA"])[0] / 100_000 or None
    if len(chunks.get(b"cHRM", b"")) == 32:
        chromaticities = [value / 100_000 for value in struct.unpack(">8I", chunks[b"cHRM"])]
    return profiles.from_gamma(gamma, chromaticities, where, gray=data[25] in (0, 4))


def decode(data: bytes, where: str, orientation: int) -> Raster:
    """A 16-bit PNG file.

    Args:
        data: the file, whose header is known to be valid.
        where: what to call it in an error message.
        orientation: its EXIF orientation.

    Raises:
        InputError: its colour space is not known or damaged.
        ValueError: the file is damaged.
    """
    import imagecodecs

    try:
        samples = imagecodecs.png_decode(_plain(data))
    except RuntimeError as error:
        raise ValueError(error) from None
    samples = samples.reshape(*samples.shape[:2], -1)
    return Raster(
        samples,
        white=65535,
        opacity="straight" if samples.shape[-1] in (2, 4) else "none",
        profile=read_profile(data, where),
        orientation=orientation,
    )


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Type and content of each chunk up to IEND."""
    position, kind = len(_SIGNATURE), b""
    while kind != b"IEND":
        if position + 12 > len(data):
            raise ValueError("ends before its last chunk")
        length, kind = struct.unpack(">I4s", data[position : position + 8])
        end = position + 12 + length
        if end > len(data):
            raise ValueError("ends within a chunk")
        content = data[position + 8 : end - 4]
        if zlib.crc32(content, zlib.crc32(kind)) != int.from_bytes(data[end - 4 : end], "big"):
            raise ValueError("a chunk has a wrong checksum")
        yield kind, content
        position = end


def _plain(data: bytes) -> bytes:
    """The same pixels in a PNG file that gives libpng nothing to print a warning about."""
    packed, header, transparency = [], b"", b""
    for kind, content in _chunks(data):
        if kind == b"IDAT":
            packed.append(content)
        elif kind == b"IHDR":
            header = content
        elif kind == b"tRNS":
            transparency = _chunk(kind, content)
    channels = _CHANNELS.get(header[9])
    if channels is None or (transparency and len(transparency) != 12 + 2 * channels):
        raise ValueError("damaged header")
    size = _size_of_rows(header, 2 * channels)
    rows = _inflate(b"".join(packed), size)
    if len(rows) < size:
        raise ValueError("too few pixels")
    body = _chunk(b"IDAT", zlib.compress(rows, 0))
    return _SIGNATURE + _chunk(b"IHDR", header) + transparency + body + _chunk(b"IEND", b"")


def _size_of_rows(header: bytes, bytes_per_pixel: int) -> int:
    """How many bytes the filtered rows of an image take."""
    width, height = struct.unpack(">II", header[:8])
    passes = _ADAM7 if header[12] else ((0, 0, 1, 1),)
    total = 0
    for left, top, step_x, step_y in passes:
        columns, rows = -(-(width - left) // step_x), -(-(height - top) // step_y)
        if columns > 0 and rows > 0:
            total += rows * (1 + columns * bytes_per_pixel)
    return total


def _inflate(packed: bytes, limit: int) -> bytes:
    """Decompresses zlib data to at most `limit` bytes."""
    try:
        return zlib.decompressobj().decompress(packed, limit)
    except zlib.error as error:
        raise ValueError(error) from None


def _chunk(kind: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(content, zlib.crc32(kind))
    return struct.pack(">I4s", len(content), kind) + content + struct.pack(">I", checksum)


def _code_points(content: bytes, where: str) -> profiles.Profile:
    if len(content) != 4:
        raise ValueError("damaged cICP chunk")
    primaries, transfer, matrix, full_range = content
    profile = profiles.from_code_points(primaries, transfer, where)
    if matrix != 0 or full_range != 1:
        raise InputError(f"{where}: contains narrow-range or YCbCr values; convert it to sRGB")
    return profile


def _embedded_profile(content: bytes, where: str) -> bytes:
    _, _, packed = content.partition(b"\0")
    try:
        return _inflate(packed[1:], _MAX_PROFILE)
    except ValueError as error:
        raise profiles.inapplicable(where, error) from None
