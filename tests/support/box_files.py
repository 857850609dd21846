"""AVIF and JPEG 2000 files with boxes that their writers do not write."""

import struct

# Position of the colour space among the properties that imagecodecs writes for an image.
AVIF_COLOUR = 3


def with_avif_property(data, kind, content, *, in_place_of=None):
    """An AVIF file with one more property, which is unused or replaces another one."""
    box = struct.pack(">I4s", 8 + len(content), kind) + content
    data = bytearray(data)
    for name in (b"meta", b"iprp", b"ipco"):
        place = data.index(name) - 4
        _add(data, place, len(box))
    place = data.index(b"iloc") + 4
    for item in range(int.from_bytes(data[place + 6 : place + 8])):
        _add(data, place + 14 + 14 * item, len(box))  # offset of the item's samples
    place = data.index(b"ipma") - 4
    if in_place_of is not None:
        number = 1 + _count(data[data.index(b"ipco") + 4 : place])
        data[place + 19 + in_place_of] = 0x80 | number  # 0x80: essential
    return bytes(data[:place] + box + data[place:])


def _add(data, place, number):
    data[place : place + 4] = struct.pack(">I", int.from_bytes(data[place : place + 4]) + number)


def _count(content):
    """The number of boxes."""
    boxes = 0
    while content:
        content = content[int.from_bytes(content[:4]) :]
        boxes += 1
    return boxes


def with_jp2_colour(data, content):
    """A JP2 file with another colour box; its header box grows."""
    start = data.index(b"jp2h") - 4
    place = data.index(b"colr") - 4
    (old,) = struct.unpack(">I", data[place : place + 4])
    (size,) = struct.unpack(">I", data[start : start + 4])
    box = struct.pack(">I4s", 8 + len(content), b"colr") + content
    header = struct.pack(">I", size - old + len(box)) + data[start + 4 : place] + box
    return data[:start] + header + data[place + old :]
