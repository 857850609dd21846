"""JPEG XL files: imagecodecs reads the samples, the header gives their meaning.

imagecodecs returns only samples. Size, depth, opacity and colour space are read from the header
(ISO/IEC 18181-1, annex D). An ICC profile in it is compressed, and is read by OpenImageIO.
"""

from __future__ import annotations

import numpy as np

from gsn_jax.errors import InputError
from gsn_jax.images import isobmff, jpeg_xl_header, profiles
from gsn_jax.images.jpeg_xl_header import ColourSpace, Header
from gsn_jax.images.raster import Raster
from gsn_jax.images.reader import check_extra, open_image_io

_CODESTREAM = b"\xff\x0a"
_CONTAINER = b"\0\0\0\x0cJXL \r\n\x87\n"
_MAX_HEADER = 64 * 2**10  # bytes; names of channels are the only long fields

_RGB, _GRAY = 0, 1
_ALPHA = 0
_DEPTHS = (1, 2, 4, *range(8, 17))
_WHITES = {1: profiles.D65, 10: (1 / 3, 1 / 3), 11: (0.314, 0.351)}
# 11 stands for the primaries of P3; ITU-T H.273 has a code for each of its white points.
_PRIMARIES = {code: profiles.PRIMARIES[12 if code == 11 else code] for code in (1, 9, 11)}
_DCI, _DCI_GAMMA = 17, 2.6


def accepts(data: bytes) -> bool:
    """Whether these are the first bytes of a JPEG XL file."""
    return data.startswith((_CODESTREAM, _CONTAINER))


def read_header(data: bytes, where: str) -> Header:
    """The header of a JPEG XL file.

    Raises:
        ValueError: the file is damaged.
    """
    return jpeg_xl_header.parse(_start_of_codestream(data))


def decode(data: bytes, header: Header, where: str) -> Raster:
    """A JPEG XL file of one frame.

    Raises:
        InputError: its depth, channels or colour space are not supported, or a library is missing.
        ValueError: the file is damaged.
    """
    import imagecodecs

    if not imagecodecs.JPEGXL.available:
        raise InputError(
            f"{where}: this build of imagecodecs lacks JPEG XL; install the wheel from PyPI"
        )
    _check(header, where)
    profile = _profile(data, header, where)
    try:
        samples = np.asarray(imagecodecs.jpegxl_decode(data))
    except RuntimeError as error:
        raise ValueError(error) from None
    samples = samples.reshape(header.height, header.width, -1)  # gray comes without a channel axis
    return Raster(
        samples,
        white=1 if samples.dtype.kind == "f" else 2**header.bits - 1,
        opacity="none"
        if not header.extra
        else "premultiplied"
        if header.premultiplied
        else "straight",
        profile=profile,
    )


def _start_of_codestream(data: bytes) -> bytes:
    """The first bytes of the codestream, which may lie in pieces in a container."""
    if data.startswith(_CODESTREAM):
        return data[:_MAX_HEADER]
    start = b""
    for kind, content in isobmff.read(data, whole=False):
        if kind == b"jxlc":
            return content[:_MAX_HEADER]
        if kind == b"jxlp":
            start += content[4 : 4 + _MAX_HEADER]
            if len(start) >= _MAX_HEADER:
                break
    return start


def _check(header: Header, where: str) -> None:
    if header.animated:
        raise InputError(f"{where}: is animated; extract the frame to score")
    if not header.is_float and header.bits not in _DEPTHS:
        raise InputError(
            f"{where}: JPEG XL with {header.bits} bits is not supported; save it as PNG"
        )
    if header.extra not in ((), (_ALPHA,)):
        raise InputError(
            f"{where}: has channels other than colour and one alpha channel; remove them"
        )


def _profile(data: bytes, header: Header, where: str) -> profiles.Profile:
    space = header.space
    if space is None:
        return None
    if not space.embedded:
        return _profile_of_fields(space, where)
    if header.xyb:
        # libjxl would give linear light, for which 8 bits are too few.
        raise InputError(
            f"{where}: is lossy JPEG XL with an ICC profile that its decoder does not apply; "
            "convert it to PNG with djxl"
        )
    return _embedded_profile(data, where)


def _profile_of_fields(space: ColourSpace, where: str) -> profiles.Profile:
    if space.kind not in (_RGB, _GRAY):
        raise InputError(f"{where}: its colour space is not supported; convert it to sRGB")
    hdr = None if space.transfer is None else profiles.hdr_transfer(space.transfer)
    if hdr is not None:
        gamma = None
    elif space.transfer is None:
        gamma = 1 / space.gamma if space.gamma else None
    else:
        gamma = _DCI_GAMMA if space.transfer == _DCI else profiles.gamma_of(space.transfer, where)
    white = _WHITES.get(space.white) if isinstance(space.white, int) else space.white
    primaries: tuple[float, ...] | None
    if isinstance(space.primaries, int):
        primaries = _PRIMARIES.get(space.primaries)
    else:
        primaries = space.primaries
    if white is None or primaries is None or space.gamma == 0:
        raise InputError(f"{where}: its colour space is not supported; convert it to sRGB")
    if hdr is not None:
        return profiles.Hdr(hdr, primaries, white)
    return profiles.from_values(primaries, gamma, where, white=white, gray=space.kind == _GRAY)


def _embedded_profile(data: bytes, where: str) -> bytes:
    check_extra("OpenImageIO", f"{where}: JPEG XL with an ICC profile")
    with open_image_io(data, ".jxl") as image:
        found = [entry.value for entry in image.spec().extra_attribs if entry.name == "ICCProfile"]
    if not found:
        raise ValueError("no profile")
    return np.asarray(found[0], np.uint8).tobytes()
