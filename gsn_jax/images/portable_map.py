"""Portable maps that Pillow does not read at full depth: 16-bit PPM and colour PFM.

Their samples are stored raw, so only the byte order has to be decoded.
"""

from __future__ import annotations

import dataclasses
import re

import numpy as np

from gsn_jax.images.raster import Raster

_FLOATS = re.compile(rb"PF\s+(\d{1,9})\s+(\d{1,9})\s+([-+]?[0-9.]+(?:[eE][-+]?\d+)?)\s")


@dataclasses.dataclass(frozen=True)
class Header:
    """The header of a colour PFM file.

    Attributes:
        width, height: its size.
        start: where the samples begin.
        order: their byte order.
    """

    width: int
    height: int
    start: int
    order: str


def accepts(data: bytes) -> bool:
    """Whether these are the first bytes of a colour PFM file."""
    return data[:2] == b"PF" and data[2:3].isspace()


def read_header(data: bytes, where: str) -> Header:
    """The header of a colour PFM file.

    Raises:
        ValueError: the file is damaged.
    """
    found = _FLOATS.match(data[:200])
    if found is None:
        raise ValueError("damaged header")
    width, height, scale = int(found[1]), int(found[2]), float(found[3])
    if not width or not height or not scale:
        raise ValueError("a size or scale of zero")
    return Header(width, height, found.end(), "<" if scale < 0 else ">")


def decode(data: bytes, header: Header, where: str) -> Raster:
    """A colour PFM file, whose rows run from bottom to top.

    As in Pillow, the absolute value of the scale is ignored: few writers set it to a luminance.

    Raises:
        ValueError: the file is truncated.
    """
    shape = header.height, header.width, 3
    samples = _samples(data, f"{header.order}f4", shape, header.start)
    return Raster(samples[::-1])


def decode_16bit(data: bytes, start: int, size: tuple[int, int], white: int) -> Raster:
    """A PPM file with two bytes per sample.

    Args:
        data: the file.
        start: where the samples begin.
        size: width and height.
        white: the value that stands for 1.

    Raises:
        ValueError: the file is truncated, or a sample is larger than `white`.
    """
    samples = _samples(data, ">u2", (size[1], size[0], 3), start)
    if samples.max() > white:
        raise ValueError(f"a sample above {white}")
    return Raster(samples, white=white)


def _samples(data: bytes, kind: str, shape: tuple[int, ...], start: int) -> np.ndarray:
    count = int(np.prod(shape))
    if len(data) - start < count * np.dtype(kind).itemsize:
        raise ValueError("truncated")
    return np.frombuffer(data, kind, count, start).reshape(shape)
