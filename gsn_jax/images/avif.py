"""What Pillow does not report of AVIF files: their depth and their colour space.

An AVIF file holds several items: the image or its tiles, the opacity, perhaps a thumbnail or a gain
map. Each has properties of its own, and only those of the image count here.
"""

from __future__ import annotations

import struct

from gsn_jax.errors import InputError
from gsn_jax.images import av1, isobmff, profiles
from gsn_jax.images.raster import Raster


def check_sizes(data: bytes) -> None:
    """Refuses a file with an AV1 stream whose size differs from the one in its header.

    Decoders first decode the stream, whatever its size, and then scale it.

    Raises:
        ValueError: there is such a stream, or the file is damaged.
    """
    meta = _meta(data)
    for item, properties in _properties(meta).items():
        stream = _stream(data, meta, item) if b"av1C" in properties else b""
        if stream:
            header = av1.find_header(stream)
            stated = properties.get(b"ispe", b"")[4:12]
            if stated != struct.pack(">II", header.width, header.height):
                raise ValueError("its headers disagree about the size")


def depth(data: bytes) -> int:
    """Bits per sample of an AVIF file.

    Raises:
        ValueError: the file is damaged or holds no still image.
    """
    meta = _meta(data)
    every = _properties(meta)
    bits = [
        _av1_depth(every[item][b"av1C"])
        for item in _items_of_image(meta)
        if b"av1C" in every.get(item, {})
    ]
    if not bits:
        raise ValueError("no still image")
    return max(bits)


def profile(data: bytes, where: str) -> profiles.Profile:
    """The ICC profile of an AVIF file, or the one its code points stand for; None for sRGB.

    Code points of HDR images take precedence over an ICC profile, other code points do not.

    Raises:
        InputError: the image is cropped by its header, or in a colour space that is not known.
        ValueError: the file is damaged.
    """
    meta = _meta(data)
    properties = _properties(meta).get(_primary_item(meta), {})
    if b"clap" in properties:
        raise InputError(
            f"{where}: its header crops the image, which the decoder ignores; save it as PNG"
        )
    named = properties.get(b"colr nclx")
    if named is not None:
        primaries, transfer = struct.unpack(">HH", named[4:8].ljust(4, b"\0"))
    else:
        primaries, transfer = _code_points_of_stream(data, meta)
    from_codes = profiles.from_code_points(primaries, transfer, where)
    embedded = properties.get(b"colr prof", properties.get(b"colr rICC"))
    hdr = isinstance(from_codes, profiles.Hdr)
    return from_codes if hdr or embedded is None else embedded[4:]


def decode(data: bytes, where: str, orientation: int) -> Raster:
    """An AVIF file of 10 or 12 bits.

    Raises:
        InputError: see `profile`.
        ValueError: the file is damaged.
    """
    import imagecodecs

    meta = _meta(data)
    if any(kind == b"prem" for kind, _ in isobmff.read(isobmff.find(meta, b"iref")[4:])):
        raise InputError(f"{where}: AVIF with premultiplied alpha is not supported; flatten it")
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
    return isobmff.find(data, b"meta")[4:]  # after its version and flags


def _primary_item(meta: bytes) -> int:
    content = isobmff.find(meta, b"pitm")
    return int.from_bytes(content[4:], "big")  # of two or four bytes, as the version says


def _references(meta: bytes, wanted: bytes, item: int) -> tuple[int, ...]:
    """The items to which `item` refers with the type `wanted`, as `dimg` for a grid's tiles."""
    content = isobmff.find(meta, b"iref")
    wide = content[:1] == b"\1"
    for kind, reference in isobmff.read(content[4:]):
        reader = _Numbers(reference)
        if kind == wanted and reader.take(4 if wide else 2) == item:
            return tuple(reader.take(4 if wide else 2) for _ in range(reader.take(2)))
    return ()


def _items_of_image(meta: bytes) -> tuple[int, ...]:
    """The primary item and, if it is a grid, which has no samples of its own, its tiles."""
    primary = _primary_item(meta)
    return primary, *_references(meta, b"dimg", primary)


def _properties(meta: bytes) -> dict[int, dict[bytes, bytes]]:
    """The properties of each item: the boxes of `ipco` to which `ipma` points.

    The key of a colour space includes its kind: `colr nclx`.
    """
    container = isobmff.find(meta, b"iprp")
    every = list(isobmff.read(isobmff.find(container, b"ipco")))
    reader = _Numbers(isobmff.find(container, b"ipma"))
    version, flags = reader.take(1), reader.take(3)
    items: dict[int, dict[bytes, bytes]] = {}
    for _ in range(reader.take(4)):
        properties = items.setdefault(reader.take(4 if version else 2), {})
        for _ in range(reader.take(1)):
            index = reader.take(2) & 0x7FFF if flags & 1 else reader.take(1) & 0x7F
            if 0 < index <= len(every):
                kind, content = every[index - 1]
                properties[kind + b" " + content[:4] if kind == b"colr" else kind] = content
    return items


def _stream(data: bytes, meta: bytes, item: int) -> bytes:
    """The first part of an item's samples; empty if they are not stored directly in the file."""
    reader = _Numbers(isobmff.find(meta, b"iloc"))
    version, sizes = reader.take(4) >> 24, reader.take(2)
    of_offset, of_length, of_base, of_index = (sizes >> shift & 15 for shift in (12, 8, 4, 0))
    wide = 4 if version == 2 else 2
    for _ in range(reader.take(wide)):
        found = reader.take(wide) == item
        method = reader.take(2) & 15 if version else 0
        reader.take(2)
        base, places = reader.take(of_base), []
        for _ in range(reader.take(2)):
            if version:
                reader.take(of_index)
            places.append((base + reader.take(of_offset), reader.take(of_length)))
        if found and method == 0 and places:
            start, length = places[0]
            return data[start : start + (length or len(data))]
    return b""


def _code_points_of_stream(data: bytes, meta: bytes) -> tuple[int, int]:
    """Primaries and transfer in the stream of the image; 2 (unspecified) without a stream."""
    for item in _items_of_image(meta):
        if stream := _stream(data, meta, item):
            header = av1.find_header(stream)
            return header.primaries, header.transfer
    return 2, 2


class _Numbers:
    """Reads a sequence of big-endian numbers."""

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
