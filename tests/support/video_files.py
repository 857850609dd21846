"""Small videos, written by PyAV."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np


def write_frames(
    path: Path,
    frames: Iterable[av.VideoFrame],
    codec: str,
    *,
    rate: int = 30,
    rotation: int = 0,
    options: dict[str, str] | None = None,
) -> Path:
    """Writes frames of one size and pixel format; the file gets their colour labels."""
    frames = list(frames)
    first = frames[0]
    with av.open(str(path), "w", options={"strict": "-1"}) as container:  # for deep Y4M
        stream = container.add_stream(codec, rate=rate, options=options or {})
        stream.width, stream.height = first.width, first.height
        stream.pix_fmt = first.format.name
        for name in ("colorspace", "color_range", "color_primaries", "color_trc"):
            setattr(stream.codec_context, name, getattr(first, name))
        if rotation:
            stream.set_display_rotation(rotation)
        for number, frame in enumerate(frames):
            frame.pts, frame.time_base = number, Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def write_images(
    path: Path,
    images: Iterable[np.ndarray],
    codec: str = "wrapped_avframe",  # for Y4M
    *,
    form: str = "yuv420p",
    **options,
) -> Path:
    """Writes RGB images `(H, W, 3)`, uint8, without colour labels."""
    frames = [av.VideoFrame.from_ndarray(image, "rgb24").reformat(format=form) for image in images]
    for frame in frames:
        frame.colorspace, frame.color_range = 2, 0
    return write_frames(path, frames, codec, **options)


def frame_of_planes(
    planes: list[np.ndarray], form: str, *, matrix: int = 2, full: bool | None = None
) -> av.VideoFrame:
    """A frame with these samples, labelled with a matrix and a range."""
    height, width = planes[0].shape
    frame = av.VideoFrame(width, height, form)
    for plane, samples in zip(frame.planes, planes, strict=True):
        padded = np.zeros((plane.height, plane.line_size), np.uint8)
        content = np.ascontiguousarray(samples).view(np.uint8)
        padded[:, : content.shape[1]] = content
        plane.update(padded.tobytes())
    frame.colorspace = matrix
    frame.color_range = {None: 0, False: 1, True: 2}[full]
    return frame
