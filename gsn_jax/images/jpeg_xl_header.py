"""The header of a JPEG XL codestream (ISO/IEC 18181-1, annex D).

Its fields are a sequence of bits, the lowest bit of each byte first. Most numbers begin with two
bits that select how many bits follow, and what is added to them.
"""

from __future__ import annotations

import dataclasses

_Distributions = tuple[tuple[int, int], ...]  # offset and number of bits, by selector

_SIZE = ((1, 9), (1, 13), (1, 18), (1, 30))
_ENUM = ((0, 0), (1, 0), (2, 4), (18, 6))
_COORDINATE = ((0, 19), (524_288, 19), (1_048_576, 20), (2_097_152, 21))
_BITS = ((8, 0), (10, 0), (12, 0), (1, 6))
_BITS_OF_FLOAT = ((32, 0), (16, 0), (24, 0), (1, 6))
_EXTRA_CHANNELS = ((0, 0), (1, 0), (2, 4), (1, 12))
_SHIFT = ((0, 0), (3, 0), (4, 0), (1, 3))
_LENGTH_OF_NAME = ((0, 0), (0, 4), (16, 5), (48, 10))
_FILTER = ((1, 0), (0, 2), (3, 4), (19, 8))
_PREVIEW_OF_8 = ((16, 0), (32, 0), (1, 5), (33, 9))
_PREVIEW = ((1, 6), (65, 8), (321, 10), (1345, 12))

# Width : height, for the codes of three bits.
_RATIOS = {1: (1, 1), 2: (12, 10), 3: (4, 3), 4: (3, 2), 5: (16, 9), 6: (5, 4), 7: (2, 1)}
_ALPHA, _SPOT_COLOUR, _COLOUR_FILTER = 0, 2, 5
_GRAY, _XYB = 1, 2
_CUSTOM = 2
_TURNED = 5  # orientations from here on exchange width and height


@dataclasses.dataclass(frozen=True)
class ColourSpace:
    """A colour space; None in its place stands for sRGB.

    Attributes:
        embedded: whether the file holds an ICC profile; the other fields then mean nothing.
        kind: 0 RGB, 1 gray, 2 XYB, 3 unknown.
        white: the code of the white point, or its chromaticity.
        primaries: the code of the primaries, or the chromaticities of red, green and blue.
        transfer: the code of the curve, as in ITU-T H.273; None if there is a gamma.
        gamma: the exponent with which the values were encoded.
    """

    embedded: bool
    kind: int
    white: tuple[float, ...] | int = 1
    primaries: tuple[float, ...] | int = 1
    transfer: int | None = None
    gamma: float | None = None


@dataclasses.dataclass(frozen=True)
class Header:
    """What the header says.

    Attributes:
        width, height: the size of the upright image, which is what the decoder gives.
        animated: whether there may be several frames; if so, the fields below are not read.
        bits: bits per sample.
        is_float: whether the samples are floats.
        extra: the kind of each channel besides colour; 0 is opacity.
        premultiplied: whether the opacity has been multiplied into the colours.
        xyb: whether the file is in XYB, which the decoder converts to `space`.
        space: the colour space of the decoded image.
    """

    width: int
    height: int
    animated: bool = False
    bits: int = 8
    is_float: bool = False
    extra: tuple[int, ...] = ()
    premultiplied: bool = False
    xyb: bool = True
    space: ColourSpace | None = None


def parse(data: bytes) -> Header:
    """The header at the beginning of a codestream.

    Raises:
        ValueError: the data is not a codestream, or ends within the header.
    """
    if not data.startswith(b"\xff\x0a"):
        raise ValueError("no codestream")
    bits = _Bits(data[2:])
    width, height = _size(bits)
    if bits.flag():
        return Header(width, height)
    detailed = bits.flag()
    if detailed:
        if bits.take(3) + 1 >= _TURNED:
            width, height = height, width
        if bits.flag():
            _size(bits)  # at which to show it
        if bits.flag():
            _preview_size(bits)
        if bits.flag():
            return Header(width, height, animated=True)
    depth, is_float = _depth(bits)
    bits.flag()  # whether 16 bits suffice to decode it
    channels = [_extra_channel(bits) for _ in range(bits.choice(_EXTRA_CHANNELS))]
    return Header(
        width,
        height,
        bits=depth,
        is_float=is_float,
        extra=tuple(kind for kind, _ in channels),
        premultiplied=any(associated for _, associated in channels),
        xyb=bits.flag(),
        space=_colour_space(bits),
    )


class _Bits:
    def __init__(self, data: bytes):
        self._data = data
        self._position = 0

    def take(self, count: int) -> int:
        first, end = self._position // 8, self._position + count
        if end > 8 * len(self._data):
            raise ValueError("ends within its header")
        value = int.from_bytes(self._data[first : -(-end // 8)], "little")
        value >>= self._position % 8
        self._position = end
        return value & ((1 << count) - 1)

    def flag(self) -> bool:
        return bool(self.take(1))

    def choice(self, distributions: _Distributions) -> int:
        offset, count = distributions[self.take(2)]
        return offset + self.take(count)


def _size(bits: _Bits) -> tuple[int, int]:
    """Width and height."""
    by_eight = bits.flag()

    def side() -> int:
        return 8 * (1 + bits.take(5)) if by_eight else bits.choice(_SIZE)

    height = side()
    ratio = _RATIOS.get(bits.take(3))
    return (height * ratio[0] // ratio[1] if ratio else side()), height


def _preview_size(bits: _Bits) -> None:
    sides = _PREVIEW_OF_8 if bits.flag() else _PREVIEW
    bits.choice(sides)
    if bits.take(3) == 0:
        bits.choice(sides)


def _depth(bits: _Bits) -> tuple[int, bool]:
    if not bits.flag():
        return bits.choice(_BITS), False
    depth = bits.choice(_BITS_OF_FLOAT)
    bits.take(4)  # bits of the exponent
    return depth, True


def _extra_channel(bits: _Bits) -> tuple[int, bool]:
    """The kind of a channel, and whether it is opacity multiplied into the colours."""
    if bits.flag():
        return _ALPHA, False
    kind = bits.choice(_ENUM)
    _depth(bits)
    bits.choice(_SHIFT)
    bits.take(8 * bits.choice(_LENGTH_OF_NAME))
    if kind == _SPOT_COLOUR:
        bits.take(4 * 16)
    elif kind == _COLOUR_FILTER:
        bits.choice(_FILTER)
    return kind, kind == _ALPHA and bits.flag()


def _colour_space(bits: _Bits) -> ColourSpace | None:
    if bits.flag():
        return None
    embedded, kind = bits.flag(), bits.choice(_ENUM)
    if embedded or kind == _XYB:
        return ColourSpace(embedded, kind)
    white: tuple[float, ...] | int = bits.choice(_ENUM)
    if white == _CUSTOM:
        white = _point(bits)
    primaries: tuple[float, ...] | int = 1
    if kind != _GRAY:
        primaries = bits.choice(_ENUM)
        if primaries == _CUSTOM:
            primaries = (*_point(bits), *_point(bits), *_point(bits))
    if bits.flag():
        return ColourSpace(False, kind, white, primaries, gamma=bits.take(24) / 1e7)
    return ColourSpace(False, kind, white, primaries, transfer=bits.choice(_ENUM))


def _point(bits: _Bits) -> tuple[float, float]:
    """A chromaticity: numbers in millionths, whose lowest bit is the sign."""

    def coordinate() -> float:
        value = bits.choice(_COORDINATE)
        return (-(value + 1) // 2 if value & 1 else value // 2) / 1e6

    return coordinate(), coordinate()
