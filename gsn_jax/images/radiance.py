"""Radiance HDR files: the header is parsed here, imagecodecs reads the samples.

G. Ward, "The RADIANCE picture file format". Values are taken as cd/m2 and, without `PRIMARIES`, the
primaries as those of BT.709, as other readers do.
"""

from __future__ import annotations

import dataclasses
import re

from gsn_jax.errors import InputError
from gsn_jax.images.profiles import Hdr
from gsn_jax.images.raster import Raster

_SIGNATURES = (b"#?RADIANCE\n", b"#?RGBE\n")
_MAX_HEADER = 64 * 2**10
_SIZE = re.compile(rb"([-+])([XY]) +(\d{1,9}) +([-+])([XY]) +(\d{1,9})\n")
_UPRIGHT = (b"-", b"Y", b"+", b"X")
_CUMULATIVE = ("EXPOSURE", "COLORCORR")


@dataclasses.dataclass(frozen=True)
class Header:
    """The header of a Radiance HDR file.

    Attributes:
        width, height: its size.
        fields: its fields; of repeated ones the last, or all if each multiplies the one before.
    """

    width: int
    height: int
    fields: dict[str, str]


def accepts(data: bytes) -> bool:
    """Whether these are the first bytes of a Radiance HDR file."""
    return data.startswith(_SIGNATURES)


def read_header(data: bytes, where: str) -> Header:
    """The header of a Radiance HDR file.

    Raises:
        InputError: the picture is stored rotated or mirrored.
        ValueError: the file is damaged.
    """
    text, end, _ = data[:_MAX_HEADER].partition(b"\n\n")
    size = _SIZE.match(data, len(text) + 2)
    if not end or size is None:
        raise ValueError("damaged header")
    first, row, height, second, column, width = size.groups()
    if (first, row, second, column) != _UPRIGHT:
        raise InputError(f"{where}: is stored rotated or mirrored (Radiance HDR); save it upright")
    fields: dict[str, str] = {}
    for line in text.decode("latin-1").splitlines():
        name, sign, value = (part.strip() for part in line.partition("="))
        if sign:
            again = name in _CUMULATIVE and name in fields
            fields[name] = f"{fields[name]} {value}" if again else value
    if not int(width) or not int(height):
        raise ValueError("a size of zero")
    return Header(int(width), int(height), fields)


def decode(data: bytes, header: Header, where: str) -> Raster:
    """A Radiance HDR file.

    Raises:
        InputError: it holds XYZ, or an exposure or correction that programs treat differently.
        ValueError: the file is damaged.
    """
    import imagecodecs

    fields = header.fields
    if fields.get("FORMAT") != "32-bit_rle_rgbe":
        raise InputError(
            f"{where}: the Radiance HDR format {fields.get('FORMAT', '')[:20]!r} is not supported; "
            "save it as 32-bit_rle_rgbe"
        )
    for name in ("EXPOSURE", "GAMMA", "COLORCORR"):
        if any(number != 1 for number in _numbers(fields.get(name, "1"))):
            raise InputError(
                f"{where}: its header says {name}={fields[name][:40]}, which some programs apply "
                "and others ignore; save it without that line"
            )
    try:
        samples = imagecodecs.rgbe_decode(data)
    except RuntimeError as error:
        raise ValueError(error) from None
    if samples.shape != (header.height, header.width, 3):
        raise ValueError("its size differs from the one in its header")
    hdr = Hdr("linear", name="Radiance HDR")
    if "PRIMARIES" in fields:
        places = _numbers(fields["PRIMARIES"])
        if len(places) != 8:
            raise ValueError("damaged primaries")
        hdr = dataclasses.replace(hdr, primaries=tuple(places[:6]), white=tuple(places[6:]))
    return Raster(samples, profile=hdr)


def _numbers(text: str) -> list[float]:
    return [float(word) for word in text.split()]
