"""A picture of how two images differ."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from PIL import Image, ImageDraw, ImageFont

from gsn_jax.metric import Metric
from gsn_jax.scoring.map_pictures import scale_of
from gsn_jax.scoring.maps import quality_map

_GAP = 8
_TEXT = 14  # pixels
_LINE = 20
# Narrower images are enlarged, so that their captions fit.
_LEAST_WIDTH = 220


def picture(
    expected: Float[np.ndarray, "h w 3"],
    actual: Float[np.ndarray, "height width 3"],
    metric: Metric,
    title: str,
) -> bytes:
    """A PNG with the expected image, the actual one and, if their sizes agree, their difference.

    Args:
        expected: in [0, 1].
        actual: likewise.
        metric: its map is drawn if it has one, else the absolute difference; brighter is worse.
        title: a line of text above the images.
    """
    panels = [("expected", _levels(expected)), ("actual", _levels(actual))]
    if expected.shape == actual.shape:
        panels.append(_difference(expected, actual, metric))
    factor = -(-_LEAST_WIDTH // min(pixels.shape[1] for _, pixels in panels))
    panels = [(text, pixels.repeat(factor, 0).repeat(factor, 1)) for text, pixels in panels]
    return _side_by_side(panels, title)


def _difference(expected: np.ndarray, actual: np.ndarray, metric: Metric) -> tuple[str, np.ndarray]:
    if metric.has_map:
        values = quality_map(expected, actual, metric)
        return f"map of {metric.name}", _colours(scale_of(values, metric).badness(values))
    difference = np.abs(expected - actual).max(axis=-1)
    largest = float(difference.max())
    text = f"difference (white = {largest:.3g})"
    return text, _levels(np.repeat(difference[..., None] / max(largest, 1e-12), 3, axis=-1))


def _colours(badness: Float[np.ndarray, "h w"]) -> np.ndarray:
    # OpenCV has the colours of `map_pictures` without matplotlib, an optional dependency.
    import cv2

    bgr = cv2.applyColorMap(np.round(255 * badness).astype(np.uint8), cv2.COLORMAP_INFERNO)
    return np.asarray(bgr)[..., ::-1]


def png(image: Float[np.ndarray, "h w 3"]) -> bytes:
    """An image in [0, 1] as an 8-bit PNG."""
    return _encoded(Image.fromarray(_levels(image)))


def _levels(image: np.ndarray) -> np.ndarray:
    return np.round(255 * image).astype(np.uint8)


def _encoded(image: Image.Image) -> bytes:
    target = io.BytesIO()
    image.save(target, "PNG")
    return target.getvalue()


def _side_by_side(panels: Sequence[tuple[str, np.ndarray]], title: str) -> bytes:
    widths = [pixels.shape[1] for _, pixels in panels]
    height = max(pixels.shape[0] for _, pixels in panels)
    top = 2 * _LINE + _GAP
    size = sum(widths) + _GAP * (len(panels) + 1), top + height + _GAP
    canvas = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(canvas)
    font = ImageFont.load_default(_TEXT)
    draw.text((_GAP, _GAP // 2), title, "black", font)
    left = _GAP
    for (text, pixels), width in zip(panels, widths, strict=True):
        draw.text((left, _GAP // 2 + _LINE), text, "black", font)
        canvas.paste(Image.fromarray(np.ascontiguousarray(pixels)), (left, top))
        left += width + _GAP
    return _encoded(canvas)
