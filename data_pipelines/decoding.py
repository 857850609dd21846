"""Image files to uint8 arrays for the input pipeline, by the quickest faithful way.

Plain 8-bit RGB or gray PNG and 24-bit BMP, which is what the data sets consist of, have only one
possible reading, so OpenCV (PNG, about twice as fast as Pillow) and NumPy (BMP) read them. Every
other file goes through `gsn_jax.images.load_image`.
"""

from __future__ import annotations

import os
import struct
import zlib

import cv2
import numpy as np

from gsn_jax.errors import InputError
from gsn_jax.images import files
from gsn_jax.images.files import Alpha

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_LARGEST_PLAIN_FILE = 4 * files.MAX_PIXELS  # bytes
# Chunks that do not change the pixels that `load_image` returns.
_PNG_HARMLESS = {b"IHDR", b"pHYs", b"tIME", b"tEXt", b"iTXt", b"zTXt", b"sRGB", b"bKGD", b"IDAT"}


def read_image(path: str | os.PathLike[str], *, alpha: Alpha = "refuse") -> np.ndarray:
    """An image file as sRGB, uint8 `(H, W, 3)`; deeper files are rounded to 8 bits.

    Equal to `gsn_jax.images.load_image` for 8-bit files.

    Raises:
        InputError: as for `gsn_jax.images.load_image`.
    """
    try:
        image = decode_plain(files.read_file(path, _LARGEST_PLAIN_FILE))
    except InputError:
        image = None  # load_image finds the words for it
    if image is not None:
        return image
    image = files.load_image(path, alpha=alpha)
    return image if image.dtype == np.uint8 else np.round(image * 255).astype(np.uint8)


def decode_plain(data: bytes) -> np.ndarray | None:
    """A sound plain 8-bit PNG or 24-bit BMP as uint8 `(H, W, 3)`; None for any other file."""
    return _decode(data) if is_plain_png(data) else _decode_plain_bmp(data)


def as_png(path: str | os.PathLike[str]) -> tuple[bytes, tuple[int, int]]:
    """An image file as a PNG for `decode_png`, and its height and width.

    Raises:
        InputError: as for `read_image`.
    """
    image = read_image(path)
    return encode_png(image), image.shape[:2]


def encode_png(image: np.ndarray) -> bytes:
    """A uint8 array `(H, W, 3)` as PNG that is quick to read.

    Nothing is deflated: array_record compresses its records by itself (Zstandard), and the
    difference to the row above ("up") is what lets it. So stored, photographs take no more space
    than as ordinary PNG, and are read in a third of the time.
    """
    bgr = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2BGR)
    settings = (cv2.IMWRITE_PNG_COMPRESSION, 0, cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_UP)
    done, data = cv2.imencode(".png", bgr, settings)
    if not done:
        raise RuntimeError("OpenCV could not encode a PNG")
    return data.tobytes()


def decode_png(data: bytes, where: str) -> np.ndarray:
    """What `encode_png` wrote, as uint8 `(H, W, 3)`; array_record has checked that it is whole.

    Raises:
        InputError: it is damaged.
    """
    image = _decode(data)
    if image is None:
        raise InputError(f"{where}: damaged image in the prepared data set; prepare it again")
    return image


def _decode(data: bytes) -> np.ndarray | None:
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)


def is_plain_png(data: bytes) -> bool:
    """Whether these are the bytes of a sound 8-bit gray or RGB PNG without colour profile.

    OpenCV fills in what is missing of a damaged file, hence the look at the checksums.
    """
    if data[:8] != _PNG_SIGNATURE or len(data) < 45 or data[12:16] != b"IHDR":
        return False
    width, height, depth, colour = struct.unpack(">IIBB", data[16:26])
    if depth != 8 or colour not in (0, 2) or width * height > files.MAX_PIXELS:
        return False
    position, kind = 8, b""
    while kind != b"IEND":
        if position + 12 > len(data):
            return False
        length, kind = struct.unpack(">I4s", data[position : position + 8])
        end = position + 12 + length
        if end > len(data) or (kind not in _PNG_HARMLESS and kind != b"IEND"):
            return False
        if zlib.crc32(memoryview(data)[position + 4 : end - 4]) != int.from_bytes(
            data[end - 4 : end], "big"
        ):
            return False
        position = end
    return True


def _decode_plain_bmp(data: bytes) -> np.ndarray | None:
    """A bottom-up 24-bit BMP without compression, else None."""
    if data[:2] != b"BM" or len(data) < 54:
        return None
    start, header, width, height, _, bits, compression = struct.unpack("<IIiiHHI", data[10:34])
    if header != 40 or bits != 24 or compression != 0 or width <= 0 or height <= 0:
        return None
    stride = (3 * width + 3) // 4 * 4
    if width * height > files.MAX_PIXELS or len(data) < start + stride * height:
        return None
    rows = np.frombuffer(data, np.uint8, stride * height, start).reshape(height, stride)
    return cv2.cvtColor(
        np.ascontiguousarray(rows[::-1, : 3 * width]).reshape(height, width, 3), cv2.COLOR_BGR2RGB
    )
