"""The sequence header of an AV1 stream (AV1 specification, 5.5): its size and colour space.

Decoders trust it, whatever the file around the stream says.
"""

from __future__ import annotations

import dataclasses

_SEQUENCE_HEADER = 1  # a type of OBU, the unit of a stream
_UNSPECIFIED = 2  # code point of primaries and transfer


@dataclasses.dataclass(frozen=True)
class SequenceHeader:
    """What the header says.

    Attributes:
        width, height: of the largest frame.
        primaries, transfer: code points of ITU-T H.273.
    """

    width: int
    height: int
    primaries: int = _UNSPECIFIED
    transfer: int = _UNSPECIFIED


def find_header(stream: bytes) -> SequenceHeader:
    """The first sequence header of a stream.

    Raises:
        ValueError: there is none, or it is damaged.
    """
    position = 0
    while position < len(stream):
        first = stream[position]
        position += 2 if first & 4 else 1  # with an extension or without
        size = len(stream) - position
        if first & 2:
            size, position = _leb128(stream, position)
        if first >> 3 & 15 == _SEQUENCE_HEADER:
            return _parse(_Bits(stream[position : position + size]))
        position += size
    raise ValueError("no sequence header")


def _leb128(data: bytes, position: int) -> tuple[int, int]:
    """A number of up to eight bytes, seven bits each, and the position after it."""
    value = 0
    for index in range(8):
        if position >= len(data):
            break
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << 7 * index
        if not byte & 0x80:
            return value, position
    raise ValueError("damaged unit")


class _Bits:
    """Reads numbers from a sequence of bits, the highest bit of each byte first."""

    def __init__(self, data: bytes):
        self._value = int.from_bytes(data, "big")
        self._left = 8 * len(data)

    def take(self, count: int) -> int:
        if count > self._left:
            raise ValueError("ends within its header")
        self._left -= count
        return self._value >> self._left & ((1 << count) - 1)

    def flag(self) -> bool:
        return bool(self.take(1))

    def skip(self, *counts: int) -> None:
        for count in counts:
            self.take(count)


def _parse(bits: _Bits) -> SequenceHeader:
    profile = bits.take(3)
    bits.flag()  # whether it is a still picture
    reduced = bits.flag()
    if reduced:
        bits.take(5)
    else:
        _skip_operating_points(bits)
    bits_of_width, bits_of_height = 1 + bits.take(4), 1 + bits.take(4)
    width, height = 1 + bits.take(bits_of_width), 1 + bits.take(bits_of_height)
    if not reduced and bits.flag():
        bits.skip(4, 3)  # lengths of frame numbers
    bits.skip(1, 1, 1)  # tools
    if not reduced:
        _skip_tools_of_video(bits)
    bits.skip(1, 1, 1)  # filters
    high = bits.flag()
    if profile == 2 and high:
        bits.flag()  # whether 12 bits
    if profile != 1:
        bits.flag()  # whether gray
    if not bits.flag():
        return SequenceHeader(width, height)
    return SequenceHeader(width, height, bits.take(8), bits.take(8))


def _skip_operating_points(bits: _Bits) -> None:
    bits_of_delay = 0
    if bits.flag():  # timing
        bits.skip(32, 32)
        if bits.flag():
            zeros = 0
            while not bits.flag():
                zeros += 1
            bits.skip(min(zeros, 32))
        if bits.flag():
            bits_of_delay = 1 + bits.take(5)
            bits.skip(32, 5, 5)
    delayed = bits.flag()
    for _ in range(1 + bits.take(5)):
        bits.take(12)
        if bits.take(5) > 7:
            bits.flag()
        if bits_of_delay and bits.flag():
            bits.skip(bits_of_delay, bits_of_delay, 1)
        if delayed and bits.flag():
            bits.take(4)


def _skip_tools_of_video(bits: _Bits) -> None:
    bits.skip(1, 1, 1, 1)
    ordered = bits.flag()
    if ordered:
        bits.skip(1, 1)
    chosen_by_frame = bits.flag()
    if (chosen_by_frame or bits.flag()) and not bits.flag():
        bits.flag()
    if ordered:
        bits.take(3)
