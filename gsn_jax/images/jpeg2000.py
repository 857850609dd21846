"""What Pillow does not report of JPEG 2000 files: their depth and their colour space."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from gsn_jax.errors import InputError
from gsn_jax.images import isobmff
from gsn_jax.images.raster import Raster

_CODESTREAM = b"\xff\x4f\xff\x51"  # the first markers of JPEG 2000: SOC, SIZ
_SIGNED = 0x80  # in the byte of a channel's depth
_JP2_YCC = b"\0\0\0\x12"
_JP2_LIKE_SRGB = (16, 17, 18)  # enumerated colour spaces: sRGB, gray and YCC with sRGB's curve


def layout(data: bytes, where: str) -> tuple[int, int, int]:
    """Width, height and bits per sample of a JPEG 2000 file, from its codestream.

    Raises:
        InputError: its channels differ in depth or are signed.
        ValueError: the file is damaged.
    """
    stream = _codestream(data)
    if len(stream) < 42:
        raise ValueError("truncated")
    right, bottom, left, top = struct.unpack(">4I", stream[8:24])
    channels = struct.unpack(">H", stream[40:42])[0]
    depths = set(stream[42 : 42 + 3 * channels : 3])
    if any(depth & _SIGNED for depth in depths):
        raise InputError(
            f"{where}: JPEG 2000 with signed samples is not supported; save it with unsigned ones"
        )
    if len(depths) > 1:
        raise InputError(
            f"{where}: JPEG 2000 with channels of different depths is not supported; save it as PNG"
        )
    if not depths:
        raise ValueError("no channels")
    return right - left, bottom - top, depths.pop() + 1


def profile(data: bytes, where: str) -> bytes | None:
    """The ICC profile of a JPEG 2000 file; None for sRGB, which is also the default.

    Raises:
        InputError: the file names another colour space, or has premultiplied opacity.
        ValueError: the file is damaged.
    """
    for kind, content in _jp2_header(data):
        if kind == b"cdef" and any(
            content[place : place + 2] == b"\0\2" for place in range(4, len(content), 6)
        ):
            raise InputError(
                f"{where}: JPEG 2000 with premultiplied alpha is not supported; flatten it"
            )
        if kind == b"colr" and content[:1] in (b"\2", b"\3"):
            return content[3:]
        if kind == b"colr" and int.from_bytes(content[3:7], "big") not in _JP2_LIKE_SRGB:
            raise InputError(f"{where}: its colour space is not supported; convert it to sRGB")
    return None


def decode(data: bytes, where: str) -> Raster:
    """A JPEG 2000 file of 9 to 16 bits.

    Raises:
        InputError: see `profile` and `layout`; or it holds a palette or YCC values.
        ValueError: the file is damaged.
    """
    import imagecodecs

    colours = profile(data, where)
    if any(
        kind == b"pclr" or (kind == b"colr" and content[3:7] == _JP2_YCC and content[:1] == b"\1")
        for kind, content in _jp2_header(data)
    ):
        raise InputError(
            f"{where}: JPEG 2000 with a palette or YCC and more than 8 bits is not "
            "supported; save it as RGB"
        )
    try:
        # Given the whole file, imagecodecs would apply the profile itself.
        samples = imagecodecs.jpeg2k_decode(_codestream(data))
    except RuntimeError as error:
        raise ValueError(error) from None
    samples = samples.reshape(*samples.shape[:2], -1)
    return Raster(
        samples,
        white=2 ** layout(data, where)[2] - 1,
        opacity="straight" if samples.shape[-1] in (2, 4) else "none",
        profile=colours,
    )


def _codestream(data: bytes) -> bytes:
    if data.startswith(_CODESTREAM):
        return data
    stream = isobmff.find(data, b"jp2c")
    if not stream.startswith(_CODESTREAM):
        raise ValueError("no codestream")
    return stream


def _jp2_header(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The boxes of a JPEG 2000 file's header; none for a bare codestream."""
    if not data.startswith(_CODESTREAM):
        yield from isobmff.read(isobmff.find(data, b"jp2h"))
