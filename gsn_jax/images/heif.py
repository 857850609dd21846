"""HEIF files with HEVC images (HEIC), read by pillow-heif (extra `formats`)."""

from __future__ import annotations

import dataclasses
import io
from typing import TYPE_CHECKING

import numpy as np

from gsn_jax.errors import InputError
from gsn_jax.images import profiles
from gsn_jax.images.raster import Raster
from gsn_jax.images.reader import check_extra

if TYPE_CHECKING:
    import pillow_heif

_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"mif2", b"msf1"}
_BRANDS_OF_AVIF = {b"avif", b"avis"}
_LARGEST_TYPE_BOX = 1024  # bytes; it lists brands of four bytes each


@dataclasses.dataclass(frozen=True)
class Header:
    """A file that is opened but not decoded yet.

    Attributes:
        width, height: the size of the upright image.
        file: the file.
    """

    width: int
    height: int
    file: pillow_heif.HeifFile


def accepts(data: bytes) -> bool:
    """Whether these are the first bytes of a HEIF file other than AVIF."""
    if data[4:8] != b"ftyp":
        return False
    content = data[8 : min(int.from_bytes(data[:4], "big"), _LARGEST_TYPE_BOX)]
    brands = {content[place : place + 4] for place in range(0, len(content), 4)}
    return bool(brands & _BRANDS) and not brands & _BRANDS_OF_AVIF


def read_header(data: bytes, where: str) -> Header:
    """The header of a HEIF file.

    Raises:
        InputError: the extra `formats` is missing.
        ValueError: the file is damaged or holds no image.
    """
    check_extra("pillow_heif", f"{where}: HEIC")
    import pillow_heif

    try:
        file = pillow_heif.open_heif(
            io.BytesIO(data), convert_hdr_to_8bit=False, hdr_to_16bit=False
        )
        width, height = file.size
    except Exception as error:  # of several types, as its documentation says
        raise ValueError(error) from None
    return Header(width, height, file)


def decode(data: bytes, header: Header, where: str) -> Raster:
    """A HEIF file of one image.

    Raises:
        InputError: it holds several images, or is in a colour space that is not known.
        ValueError: the file is damaged.
    """
    file = header.file
    if len(file) > 1:
        raise InputError(f"{where}: has {len(file)} images; extract the one to score")
    profile = file.info.get("icc_profile") or None
    if profile is None and (named := file.info.get("nclx_profile")):
        profile = profiles.from_code_points(
            int(named["color_primaries"]), int(named["transfer_characteristics"]), where
        )
    try:
        samples = np.asarray(file)
    except Exception as error:  # as above
        raise ValueError(error) from None
    if samples.shape[:2] != (header.height, header.width):
        raise ValueError("its size differs from the one in its header")
    return Raster(
        samples.reshape(*samples.shape[:2], -1),
        white=2 ** int(file.info["bit_depth"]) - 1,
        opacity="none"
        if not file.has_alpha
        else "premultiplied"
        if file.premultiplied_alpha
        else "straight",
        profile=profile,
    )
