"""What Pillow does not tell about AVIF and JPEG 2000 files: their depth and their colour space.

Both formats are sequences of boxes (ISO/IEC 14496-12 and 15444-1): a length, a type and a content.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from gsn_jax.errors import InputError
from gsn_jax.images import colour
from gsn_jax.images.raster import Raster

_CODESTREAM = b"\xff\x4f\xff\x51"  # the first markers of JPEG 2000: SOC, SIZ
_JP2_YCC = b"\0\0\0\x12"
_JP2_LIKE_SRGB = (16, 17, 18)  # enumerated colour spaces: sRGB, gray and YCC with sRGB's curve


def avif_depth(data: bytes) -> int:
    """Bits per sample of an AVIF file.

    Raises:
        ValueError: the file is damaged or holds no still image.
    """
    bits = [_av1_depth(content) for kind, content in _avif_properties(data) if kind == b"av1C"]
    if not bits:
        raise ValueError("no still image")
    return max(bits)


def avif_profile(data: bytes, where: str) -> bytes | None:
    """The ICC profile of an AVIF file, or the one its code points stand for; None for sRGB.

    Raises:
        InputError: the image is HDR, or its colour space is not known.
        ValueError: the file is damaged.
    """
    spaces = [content for kind, content in _avif_properties(data) if kind == b"colr"]
    profile = None
    for content in spaces:
        if content[:4] == b"nclx":
            primaries, transfer = struct.unpack(">HH", content[4:8].ljust(4, b"\0"))
            profile = colour.from_code_points(primaries, transfer, where)
    embedded = [content[4:] for content in spaces if content[:4] in (b"prof", b"rICC")]
    return embedded[0] if embedded else profile


def decode_avif(data: bytes, where: str, orientation: int) -> Raster:
    """An AVIF file of 10 or 12 bits.

    Raises:
        InputError: see `avif_profile`.
        ValueError: the file is damaged.
    """
    import imagecodecs

    try:
        samples = imagecodecs.avif_decode(data)
    except RuntimeError as error:
        raise ValueError(error) from None
    if b"prem" in data[: data.find(b"mdat")]:
        raise InputError(f"{where}: AVIF with premultiplied opacity is not read; flatten it")
    samples = samples.reshape(*samples.shape[:2], -1)
    return Raster(
        samples,
        white=2 ** avif_depth(data) - 1,
        opacity="straight" if samples.shape[-1] in (2, 4) else "none",
        profile=avif_profile(data, where),
        orientation=orientation,
    )


def jpeg2000_layout(data: bytes) -> tuple[int, int, int]:
    """Width, height and bits per sample of a JPEG 2000 file, from its codestream.

    Raises:
        ValueError: the file is damaged, or its channels differ in depth or have a sign.
    """
    stream = _codestream(data)
    if len(stream) < 42:
        raise ValueError("truncated")
    right, bottom, left, top = struct.unpack(">4I", stream[8:24])
    channels = struct.unpack(">H", stream[40:42])[0]
    depths = set(stream[42 : 42 + 3 * channels : 3])
    if len(depths) != 1 or max(depths) & 0x80:
        raise ValueError("channels of several depths, or with a sign")
    return right - left, bottom - top, depths.pop() + 1


def jpeg2000_profile(data: bytes, where: str) -> bytes | None:
    """The ICC profile of a JPEG 2000 file; None for sRGB, which is also what no statement means.

    Raises:
        InputError: the file names another colour space, or has premultiplied opacity.
        ValueError: the file is damaged.
    """
    for kind, content in _jp2_header(data):
        if kind == b"cdef" and any(
            content[place : place + 2] == b"\0\2" for place in range(4, len(content), 6)
        ):
            raise InputError(
                f"{where}: JPEG 2000 with premultiplied opacity is not read; flatten it"
            )
        if kind == b"colr" and content[:1] in (b"\2", b"\3"):
            return content[3:]
        if kind == b"colr" and int.from_bytes(content[3:7], "big") not in _JP2_LIKE_SRGB:
            raise InputError(f"{where}: is in a colour space that is not read; convert it to sRGB")
    return None


def decode_jpeg2000(data: bytes, where: str) -> Raster:
    """A JPEG 2000 file of 9 to 16 bits.

    Raises:
        InputError: see `jpeg2000_profile`; or it holds YCC values.
        ValueError: the file is damaged.
    """
    import imagecodecs

    profile = jpeg2000_profile(data, where)
    if any(
        kind == b"pclr" or (kind == b"colr" and content[3:7] == _JP2_YCC and content[:1] == b"\1")
        for kind, content in _jp2_header(data)
    ):
        raise InputError(
            f"{where}: JPEG 2000 with a palette or YCC and more than 8 bits is not read; "
            "save it as RGB"
        )
    try:
        # Of the whole file, imagecodecs would apply the profile by itself.
        samples = imagecodecs.jpeg2k_decode(_codestream(data))
    except RuntimeError as error:
        raise ValueError(error) from None
    samples = samples.reshape(*samples.shape[:2], -1)
    return Raster(
        samples,
        white=2 ** jpeg2000_layout(data)[2] - 1,
        opacity="straight" if samples.shape[-1] in (2, 4) else "none",
        profile=profile,
    )


def _codestream(data: bytes) -> bytes:
    if data.startswith(_CODESTREAM):
        return data
    stream = next((content for kind, content in _boxes(data) if kind == b"jp2c"), b"")
    if not stream.startswith(_CODESTREAM):
        raise ValueError("no codestream")
    return stream


def _jp2_header(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The boxes of a JPEG 2000 file's header; none where it is a codestream alone."""
    if not data.startswith(_CODESTREAM):
        yield from _boxes(next((content for kind, content in _boxes(data) if kind == b"jp2h"), b""))


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Type and content of each box."""
    position = 0
    while position < len(data):
        if position + 8 > len(data):
            raise ValueError("ends within a box")
        length, kind = struct.unpack(">I4s", data[position : position + 8])
        start = position + 8
        if length == 1:
            length, start = int.from_bytes(data[start : start + 8], "big"), start + 8
        elif length == 0:
            length = len(data) - position
        position += length
        if position < start or position > len(data):
            raise ValueError("a box of a wrong size")
        yield kind, data[start:position]


def _avif_properties(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The properties of all items: meta, iprp, ipco, and what lies in there."""
    content = data
    for name in (b"meta", b"iprp", b"ipco"):
        content = next((inner for kind, inner in _boxes(content) if kind == name), b"")
        if name == b"meta":
            content = content[4:]  # version and flags
    yield from _boxes(content)


def _av1_depth(configuration: bytes) -> int:
    if len(configuration) < 4:
        raise ValueError("truncated")
    high, twelve = configuration[2] & 0x40, configuration[2] & 0x20
    return 12 if high and twelve else 10 if high else 8
