"""TIFF files, read by tifffile.

Files of 8 bits or fewer are left to Pillow unless they are plain, or hold JPEG data.
"""

from __future__ import annotations

import dataclasses
import io
from typing import TYPE_CHECKING, BinaryIO, Literal

import numpy as np

from gsn_jax.errors import InputError
from gsn_jax.images import pillow
from gsn_jax.images.raster import Raster

if TYPE_CHECKING:
    import tifffile

_SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_ORIENTATION = 274
_MAX_CHANNELS = 5  # CMYK and an opacity

# No compression, three kinds of fax, LZW, two codes for deflate, PackBits, LZMA and Zstandard.
# The decoders of these never write more than the size that the header gives.
_COMPRESSIONS = (1, 2, 3, 4, 5, 8, 32946, 32773, 34925, 50000)
_COLOURS = {0: 1, 1: 1, 2: 3, 3: 1, 5: 4}  # photometric interpretation: channels
_DEPTHS = {1, 2, 4, *range(8, 17)}  # bits of unsigned samples
_PALETTE = 3
_YCBCR, _JPEG = 6, 7  # a colour and a compression: 8-bit JPEG data decode to gray or RGB
_PLAIN = (0, 1, 2, _PALETTE)
_OPACITY: dict[int, Literal["premultiplied", "straight"]] = {1: "premultiplied", 2: "straight"}


@dataclasses.dataclass(frozen=True)
class Header:
    """What the first page of a TIFF file says, before anything is decoded.

    Attributes:
        width, height: its size as stored.
        pages: how many pages the file has.
        bits: bits per sample.
        orientation: its orientation, 1 to 8.
        largest_part: pixels of the largest part that is decoded at once.
        plain: whether `decode` reads such a file even with 8 bits or fewer.
    """

    width: int
    height: int
    pages: int
    bits: int
    orientation: int
    largest_part: int
    plain: bool


def is_tiff(data: bytes) -> bool:
    """Whether these are the first bytes of a TIFF or BigTIFF file."""
    return data[:4] in _SIGNATURES


def read_header(file: BinaryIO | bytes) -> Header:
    """The header of a TIFF file.

    Raises:
        ValueError: the file is damaged.
    """
    import tifffile

    file = io.BytesIO(file) if isinstance(file, bytes) else file
    try:
        with tifffile.TiffFile(file) as tiff:
            page = _first_page(tiff)
            if page.imagewidth < 1 or page.imagelength < 1 or page.imagedepth != 1:
                raise ValueError("no size")
            return Header(
                width=int(page.imagewidth),
                height=int(page.imagelength),
                pages=len(tiff.pages),
                bits=max(int(bits) for bits in _as_tuple(page.bitspersample)),
                orientation=_orientation(page),
                largest_part=int(page.tilewidth) * int(page.tilelength) if page.is_tiled else 0,
                plain=_is_jpeg(page)
                or (page.photometric in _PLAIN and page.compression in _COMPRESSIONS),
            )
    except Exception as error:  # tifffile raises whatever a damaged tag leads to
        raise ValueError(error) from None


def decode(data: bytes, where: str) -> Raster:
    """A TIFF file of one page that is plain or has more than 8 bits per sample.

    Raises:
        InputError: its layout, samples, compression or colours are not supported.
        ValueError: the file is damaged.
    """
    import tifffile

    try:
        with tifffile.TiffFile(io.BytesIO(data)) as tiff:
            page = _first_page(tiff)
            white = _check(page, where)
            _check_extent(page, len(data))
            if _is_jpeg(page):
                _check_jpeg_sizes(page, data)
            samples = _samples(page)
            profile = _profile(page)
    except InputError:
        raise
    except Exception as error:  # as above
        raise ValueError(error) from None
    extra = page.samplesperpixel > (_colours(page) or 0)
    return Raster(
        samples,
        white=255 if page.photometric == _PALETTE else white,
        opacity=_opacity(page) if extra else "none",
        white_is_zero=page.photometric == 0,
        profile=profile,
        orientation=_orientation(page),
    )


def _first_page(tiff: tifffile.TiffFile) -> tifffile.TiffPage:
    import tifffile

    page = tiff.pages[0]
    if not isinstance(page, tifffile.TiffPage):
        raise ValueError("no page")
    if page.samplesperpixel > _MAX_CHANNELS:
        raise ValueError(f"too many channels: {page.samplesperpixel}")
    return page


def _is_jpeg(page: tifffile.TiffPage) -> bool:
    return (
        page.compression == _JPEG
        and page.photometric in (1, 2, _YCBCR)
        and set(_as_tuple(page.bitspersample)) == {8}
    )


def _colours(page: tifffile.TiffPage) -> int | None:
    """The number of colour channels; None if the colours are not supported."""
    if _is_jpeg(page):
        return 1 if page.photometric == 1 else 3
    return _COLOURS.get(page.photometric)


def _check(page: tifffile.TiffPage, where: str) -> float:
    """Checks that a page can be read faithfully. Returns the sample value that stands for 1."""
    colours = _colours(page)
    bits = set(_as_tuple(page.bitspersample))
    if colours is None or (page.photometric == _PALETTE and max(bits) > 8):
        raise InputError(
            f"{where}: colours stored as {_name(page.photometric)} with more than 8 bits are not "
            "supported; convert it to RGB"
        )
    if page.samplesperpixel not in (colours, colours + 1):
        raise InputError(
            f"{where}: has {page.samplesperpixel} channels; save it with {colours} of colour and "
            "at most one more"
        )
    if page.compression not in _COMPRESSIONS and not _is_jpeg(page):
        raise InputError(
            f"{where}: the compression {_name(page.compression)} with more than 8 bits is not "
            "supported; save it uncompressed, or with LZW or deflate"
        )
    if page.dtype is not None and len(bits) == 1:
        if page.dtype.kind == "f":
            return 1.0
        if page.dtype.kind in "bu" and bits <= _DEPTHS:
            return float(2 ** max(bits) - 1)
    raise InputError(
        f"{where}: samples of {' and '.join(map(str, sorted(bits)))} bits "
        f"({page.dtype or 'mixed types'}) are not supported; save it as 8-bit or 16-bit unsigned "
        "integers or as floats"
    )


def _samples(page: tifffile.TiffPage) -> np.ndarray:
    """The samples `(H, W, C)` of a page, with the colours of a palette in place of its indices."""
    samples = page.asarray(maxworkers=1)
    size = page.imagelength, page.imagewidth
    if page.planarconfig == 2 and page.samplesperpixel > 1:
        samples = np.moveaxis(samples.reshape(page.samplesperpixel, *size), 0, -1)
    else:
        samples = samples.reshape(*size, page.samplesperpixel)
    if samples.dtype == bool:
        samples = samples.astype(np.uint8)
    return _look_up(samples, page) if page.photometric == _PALETTE else samples


def _look_up(indices: np.ndarray, page: tifffile.TiffPage) -> np.ndarray:
    """The colours of a palette image, and whatever channel follows its indices."""
    if page.colormap is None:
        raise ValueError("no palette")
    colours = np.moveaxis(page.colormap[:, indices[..., 0]] // 256, 0, -1)
    return np.concatenate([colours.astype(np.uint8), indices[..., 1:]], axis=-1)


def _check_extent(page: tifffile.TiffPage, size: int) -> None:
    """Refuses a page whose strips or tiles are missing or lie beyond the end of the file."""
    parts = list(zip(page.dataoffsets, page.databytecounts, strict=False))
    needed = int(np.prod(page.chunked))
    if len(parts) < needed or any(count <= 0 or offset + count > size for offset, count in parts):
        raise ValueError("truncated")


def _check_jpeg_sizes(page: tifffile.TiffPage, data: bytes) -> None:
    """Refuses JPEG data larger than the page states, because the decoder would trust the data."""
    height = page.tilelength if page.is_tiled else min(page.rowsperstrip, page.imagelength)
    width = page.tilewidth if page.is_tiled else page.imagewidth
    for offset, count in zip(page.dataoffsets, page.databytecounts, strict=False):
        part = pillow.open_file(data[offset : offset + count], ["JPEG"])
        if part.width > width or part.height > height:
            raise ValueError(f"JPEG data larger than {width} x {height} pixels")


def _opacity(page: tifffile.TiffPage) -> Literal["premultiplied", "straight", "unnamed"]:
    return _OPACITY.get(page.extrasamples[0], "unnamed") if page.extrasamples else "unnamed"


def _profile(page: tifffile.TiffPage) -> bytes | None:
    if not isinstance(page.iccprofile, bytes | None):
        raise ValueError("colour profile of the wrong type")
    return page.iccprofile


def _orientation(page: tifffile.TiffPage) -> int:
    value = page.tags.valueof(_ORIENTATION, 1)
    return int(value) if value in range(1, 9) else 1


def _as_tuple(value: int | tuple[int, ...]) -> tuple[int, ...]:
    return value if isinstance(value, tuple) else (value,)


def _name(value: int) -> str:
    return str(getattr(value, "name", value))
