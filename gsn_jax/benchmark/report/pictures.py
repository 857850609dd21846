"""Encodes photographs and quality maps as data URIs of bounded size."""

from __future__ import annotations

import base64
import dataclasses
import io

import numpy as np
from PIL import Image

from gsn_jax.scoring.map_pictures import colours_of

MAX_SIDE = 384
MAX_BYTES = 48_000
_QUALITIES = (92, 85, 75, 60, 40, 20)


@dataclasses.dataclass(frozen=True)
class Picture:
    """An embedded picture.

    Attributes:
        uri: `data:image/...`.
        width: in pixels.
        height: in pixels.
    """

    uri: str
    width: int
    height: int


def data_uri(data: bytes, kind: str) -> str:
    """The bytes of a file of MIME type `kind` as a data URI."""
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"


def picture(image: np.ndarray) -> Picture:
    """Encodes uint8 `(H, W, 3)` as JPEG, reduced to at most `MAX_SIDE` pixels per side.

    The quality is lowered until the file has at most `MAX_BYTES`, or to the lowest of `_QUALITIES`.
    """
    whole = Image.fromarray(image)
    size = _size(image.shape[:2])
    return _jpeg(whole if size == whole.size else whole.resize(size, Image.Resampling.LANCZOS))


def map_picture(
    values: np.ndarray,
    image_shape: tuple[int, int],
    *,
    low: float,
    high: float,
    higher_is_better: bool,
) -> Picture:
    """Colours a quality map `(h, w)` over `[low, high]`, in the size of its image's picture.

    Bright is always worse, for either direction of the metric.
    """
    size = _size(image_shape)
    smooth = Image.fromarray(np.asarray(values, np.float32)).resize(size, Image.Resampling.BILINEAR)
    scaled = np.clip((np.asarray(smooth) - low) / max(high - low, 1e-12), 0, 1)
    return _jpeg(Image.fromarray(colours_of(1 - scaled if higher_is_better else scaled)))


def colour_bar(higher_is_better: bool) -> Picture:
    """A strip of the colours from the lowest to the highest value of a map."""
    ramp = np.linspace(0, 1, 128)[None]
    image = Image.fromarray(colours_of(1 - ramp if higher_is_better else ramp))
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=True)
    return Picture(data_uri(buffer.getvalue(), "image/png"), *image.size)


def _size(shape: tuple[int, int]) -> tuple[int, int]:
    """Width and height of the picture of an image `(H, W)`."""
    factor = min(1.0, MAX_SIDE / max(shape))
    return max(1, round(shape[1] * factor)), max(1, round(shape[0] * factor))


def _jpeg(image: Image.Image) -> Picture:
    for quality in _QUALITIES:
        buffer = io.BytesIO()
        # Full chroma resolution, since halved chroma would look like a distortion.
        image.save(buffer, format="JPEG", quality=quality, subsampling=0)
        if buffer.tell() <= MAX_BYTES:
            break
    return Picture(data_uri(buffer.getvalue(), "image/jpeg"), *image.size)
