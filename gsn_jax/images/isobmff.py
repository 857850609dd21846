"""The boxes that make up AVIF, JPEG 2000 and JPEG XL files: a length, a type and a content.

ISO/IEC 14496-12 and 15444-1 define them.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator


def read(data: bytes, *, whole: bool = True) -> Iterator[tuple[bytes, bytes]]:
    """Type and content of each box.

    Args:
        data: boxes.
        whole: whether they are complete; otherwise the last one may be cut off.

    Raises:
        ValueError: a box has an invalid length, or ends beyond data that should be complete.
    """
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
        if position < start or (whole and position > len(data)):
            raise ValueError("a box with an invalid size")
        yield kind, data[start:position]


def find(data: bytes, wanted: bytes) -> bytes:
    """The content of the first box of a type; empty if there is none.

    Raises:
        ValueError: see `read`.
    """
    return next((content for kind, content in read(data) if kind == wanted), b"")
