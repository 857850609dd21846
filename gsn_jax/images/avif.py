"""What Pillow does not tell about AVIF files: their depth, and their colour space.

An AVIF file holds several items: the image, its opacity, perhaps a thumbnail or a gain map. Each
has properties of its own, and only those of the primary item and its tiles count here.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from gsn_jax.errors import InputError
from gsn_jax.images import boxes, profiles
from gsn_jax.images.raster import Raster



def depth(data: bytes) -> int:
    """Bits per sample of an AVIF file.

    Raises:
        ValueError: the file is damaged or holds no still image.
    """
    meta = _meta(data)
    primary = _primary_item(meta)
    # The image of a grid has no samples of its own.
    items = [primary, *_references(meta, b"dimg", primary)]
    bits = [
        _av1_depth(content)
        for item in items
        for kind, content in _properties(meta, item)
        if kind == b"av1C"
    ]
    if not bits:
        raise ValueError("no still image")
    return max(bits)


def profile(data: bytes, where: str) -> bytes | None:
    """The ICC profile of an AVIF file, or the one its code points stand for; None for sRGB.

    Raises:
        InputError: the image is HDR, cropped by its header, or in a colour space that is not known.
        ValueError: the file is damaged.
    """
    meta = _meta(data)
    embedded = named = None
    for kind, content in _properties(meta, _primary_item(meta)):
        if kind == b"clap":
            raise InputError(
                f"{where}: its header crops the image, which the decoder ignores; save it as PNG"
            )
        if kind == b"colr" and content[:4] == b"nclx":
            primaries, transfer = struct.unpack(">HH", content[4:8].ljust(4, b"\0"))
            named = profiles.from_code_points(primaries, transfer, where)
        elif kind == b"colr" and content[:4] in (b"prof", b"rICC"):
            embedded = content[4:]
    return named if embedded is None else embedded


def decode(data: bytes, where: str, orientation: int) -> Raster:
    """An AVIF file of 10 or 12 bits.

    Raises:
        InputError: see `profile`.
        ValueError: the file is damaged.
    """
    import imagecodecs

    meta = _meta(data)
    if any(kind == b"prem" for kind, _ in boxes.read(boxes.find(meta, b"iref")[4:])):
        raise InputError(f"{where}: AVIF with premultiplied opacity is not read; flatten it")
    colours = profile(data, where)
    try:
        samples = imagecodecs.avif_decode(data)
    except RuntimeError as error:
        raise ValueError(error) from None
    samples = samples.reshape(*samples.shape[:2], -1)
    return Raster(
        samples,
        white=2 ** depth(data) - 1,
        opacity="straight" if samples.shape[-1] in (2, 4) else "none",
        profile=colours,
        orientation=orientation,
    )


def _meta(data: bytes) -> bytes:
    return boxes.find(data, b"meta")[4:]  # behind its version and flags


def _primary_item(meta: bytes) -> int:
    content = boxes.find(meta, b"pitm")
    return int.from_bytes(content[4:], "big")  # of two or four bytes, as the version says


def _references(meta: bytes, wanted: bytes, item: int) -> tuple[int, ...]:
    """The items to which an item refers in a way, such as `dimg` for the tiles of a grid."""
    content = boxes.find(meta, b"iref")
    wide = content[:1] == b"\1"
    for kind, reference in boxes.read(content[4:]):
        reader = _Numbers(reference)
        if kind == wanted and reader.take(4 if wide else 2) == item:
            return tuple(reader.take(4 if wide else 2) for _ in range(reader.take(2)))
    return ()


def _properties(meta: bytes, item: int) -> Iterator[tuple[bytes, bytes]]:
    """The properties of an item: the boxes of `ipco` to which `ipma` points."""
    container = boxes.find(meta, b"iprp")
    every = list(boxes.read(boxes.find(container, b"ipco")))
    reader = _Numbers(boxes.find(container, b"ipma"))
    version, flags = reader.take(1), reader.take(3)
    for _ in range(reader.take(4)):
        owner = reader.take(4 if version else 2)
        for _ in range(reader.take(1)):
            index = reader.take(2) & 0x7FFF if flags & 1 else reader.take(1) & 0x7F
            if owner == item and 0 < index <= len(every):
                yield every[index - 1]


class _Numbers:
    """Reads numbers of some bytes in sequence."""

    def __init__(self, data: bytes):
        self._data = data
        self._position = 0

    def take(self, size: int) -> int:
        end = self._position + size
        if end > len(self._data):
            raise ValueError("ends within a box")
        number = int.from_bytes(self._data[self._position : end], "big")
        self._position = end
        return number


def _av1_depth(configuration: bytes) -> int:
    if len(configuration) < 4:
        raise ValueError("truncated")
    high, twelve = configuration[2] & 0x40, configuration[2] & 0x20
    return 12 if high and twelve else 10 if high else 8
