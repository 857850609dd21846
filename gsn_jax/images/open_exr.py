"""OpenEXR files: the header is parsed here, OpenImageIO (extra `formats`) reads the samples.

"OpenEXR File Layout", https://openexr.com. Values are cd/m2, or multiples of the attribute
`whiteLuminance` if there is one.
"""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Iterator

import numpy as np

from gsn_jax.errors import InputError
from gsn_jax.images.profiles import Hdr
from gsn_jax.images.raster import Raster
from gsn_jax.images.reader import check_extra, open_image_io

_SIGNATURE = b"\x76\x2f\x31\x01"
_DEEP, _SEVERAL_PARTS = 0x800, 0x1000
_NEEDED = ("channels", "dataWindow", "displayWindow")
_COLOURS, _GRAY, _OPACITY = ("R", "G", "B"), ("Y",), "A"
_CHROMA = ("RY", "BY")
_WHOLE_NUMBERS = 0  # the sample type UINT
_LARGEST_TILE = 2**24  # pixels; tiles usually have thousands


@dataclasses.dataclass(frozen=True)
class Header:
    """The header of an OpenEXR file.

    Attributes:
        width, height: the size of the picture.
        whole: whether the stored pixels are exactly those of the picture.
        channels: sample type by name.
        subsampled: whether a channel holds fewer samples than there are pixels.
        hdr: how the values are coded.
        white: the value of white in cd/m2.
    """

    width: int
    height: int
    whole: bool
    channels: dict[str, int]
    subsampled: bool
    hdr: Hdr
    white: float


def accepts(data: bytes) -> bool:
    """Whether these are the first bytes of an OpenEXR file."""
    return data.startswith(_SIGNATURE)


def read_header(data: bytes, where: str) -> Header:
    """The header of an OpenEXR file.

    Raises:
        InputError: it holds several parts or deep samples.
        ValueError: the file is damaged.
    """
    try:
        (flags,) = struct.unpack_from("<I", data, 4)
        if flags & (_DEEP | _SEVERAL_PARTS):
            raise InputError(f"{where}: has several parts or deep samples; save one flat part")
        found = dict(_attributes(data))
        for name in _NEEDED:
            if name not in found:
                raise ValueError(f"its header lacks {name}")
        pixels, picture = (
            struct.unpack("<4i", found[name]) for name in ("dataWindow", "displayWindow")
        )
        tile = struct.unpack("<2I", found["tiles"][:8]) if "tiles" in found else (0, 0)
        channels = list(_channels(found["channels"]))
        places = struct.unpack("<8f", found["chromaticities"]) if "chromaticities" in found else ()
        (white,) = struct.unpack("<f", found.get("whiteLuminance", struct.pack("<f", 1)))
    except (struct.error, UnicodeDecodeError) as error:
        raise ValueError(f"damaged header: {error}") from None
    left, top, right, bottom = pixels
    width, height = right - left + 1, bottom - top + 1
    if width < 1 or height < 1 or tile[0] * tile[1] > _LARGEST_TILE or not 0 < white < np.inf:
        raise ValueError("damaged header")
    hdr = Hdr("linear", name="OpenEXR")
    if places:
        # Undoes the rounding to float32, so that common primaries compare equal.
        rounded = tuple(round(place, 6) for place in places)
        hdr = dataclasses.replace(hdr, primaries=rounded[:6], white=rounded[6:])
    return Header(
        width=width,
        height=height,
        whole=pixels == picture,
        channels={name: kind for name, kind, _ in channels},
        subsampled=any(step != (1, 1) for _, _, step in channels),
        hdr=hdr,
        white=white,
    )


def decode(data: bytes, header: Header, where: str) -> Raster:
    """The channels R, G and B, or Y, of an OpenEXR file. Others are ignored, but A must be opaque.

    Raises:
        InputError: the extra `formats` is missing, there are no such channels, they are integers or
            subsampled, the image is transparent, or the stored pixels are not those of the picture.
        ValueError: the file is damaged.
    """
    check_extra("OpenImageIO", f"{where}: OpenEXR")
    wanted = [name for name in (*_wanted(header, where), _OPACITY) if name in header.channels]
    samples = _read(data, wanted)
    if samples.shape != (header.height, header.width, len(wanted)):
        raise ValueError("its size differs from the one in its header")
    opaque = _OPACITY not in wanted
    if not opaque:
        if not (samples[..., -1] == 1).all():
            raise InputError(f"{where}: has transparent pixels; composite it first")
        samples = samples[..., :-1]
    return Raster(samples * np.float32(header.white), profile=header.hdr)


def _wanted(header: Header, where: str) -> tuple[str, ...]:
    """The names of the channels of the picture, if they can be read."""
    if not header.whole:
        raise InputError(
            f"{where}: its data window differs from its display window; save it with equal windows"
        )
    names = header.channels
    wanted = _COLOURS if set(_COLOURS) <= set(names) else _GRAY
    if not set(wanted) <= set(names) or (wanted == _GRAY and set(_CHROMA) & set(names)):
        raise InputError(f"{where}: has neither channels R, G and B nor Y alone; save it as RGB")
    if header.subsampled or any(names[name] == _WHOLE_NUMBERS for name in wanted):
        raise InputError(
            f"{where}: its samples are integers or subsampled; save it as half floats at full size"
        )
    return wanted


def _read(data: bytes, wanted: list[str]) -> np.ndarray:
    planes = []
    with open_image_io(data, ".exr") as image:
        names = list(image.spec().channelnames)
        for index in map(names.index, wanted):
            plane = image.read_image(0, 0, index, index + 1, "float")
            if plane is None:
                raise ValueError(image.geterror().strip())
            planes.append(plane[..., 0])
    return np.stack(planes, axis=-1)


def _attributes(data: bytes) -> Iterator[tuple[str, bytes]]:
    place = 8
    while data[place : place + 1] != b"\0":
        name, place = _text(data, place)
        _, place = _text(data, place)
        (size,) = struct.unpack_from("<i", data, place)
        if size < 0 or place + 4 + size > len(data):
            raise ValueError("ends within its header")
        yield name, data[place + 4 : place + 4 + size]
        place += 4 + size


def _channels(content: bytes) -> Iterator[tuple[str, int, tuple[int, int]]]:
    place = 0
    while content[place : place + 1] != b"\0":
        name, place = _text(content, place)
        kind, _, across, along = struct.unpack_from("<iIii", content, place)
        yield name, kind, (across, along)
        place += 16


def _text(data: bytes, place: int) -> tuple[str, int]:
    end = data.find(b"\0", place, place + 256)
    if end < 0:
        raise ValueError("ends within its header")
    return data[place:end].decode(), end + 1
