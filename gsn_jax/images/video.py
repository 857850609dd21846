"""Videos, decoded by PyAV (FFmpeg): what a file holds, and its frames as sRGB arrays.

PyAV is the extra `video`. It reads Y4M too, so that every video takes one path.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from gsn_jax.errors import InputError
from gsn_jax.images import colour, luminance, profiles, yuv
from gsn_jax.images.files import MAX_PIXELS
from gsn_jax.images.raster import Raster

SUFFIXES = (
    ".y4m", ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".ts", ".m2ts", ".mpg", ".mpeg",
    ".mxf", ".ivf", ".obu", ".h264", ".264", ".hevc", ".265",
)  # fmt: skip

# FFmpeg's demuxers of such files. Others open further files or URLs that a file names.
_READERS = "yuv4mpegpipe,mov,mp4,matroska,webm,avi,mpegts,mpeg,mpegvideo,m4v,mxf,ivf,obu,h264,hevc"
_NO_TIMESTAMPS = 0x80  # AVFMT_NOTIMESTAMPS: for a bare stream, FFmpeg guesses the frame rate
_UNSPECIFIED = 2  # of matrix, primaries and transfer
_FULL, _STUDIO = 2, 1  # FFmpeg's codes of ranges; 0 is unspecified

# FFmpeg's names of subsampling, by how many luma samples share a chroma sample (across, down).
_SUBSAMPLING = {(1, 1): "444", (2, 1): "422", (2, 2): "420", (4, 1): "411", (1, 2): "440"}


@dataclasses.dataclass(frozen=True)
class Video:
    """What a video file holds.

    Attributes:
        path: the file.
        height: height of an upright frame.
        width: its width.
        frames: number of frames that can be decoded.
        rate: frames per second; None if the file does not specify it.
        coding: how colours are coded, as far as the file specifies it.
    """

    path: Path
    height: int
    width: int
    frames: int
    rate: Fraction | None
    coding: yuv.Coding


def is_video(path: str | os.PathLike[str]) -> bool:
    """Whether a file name has the suffix of a video."""
    return os.fspath(path).lower().endswith(SUFFIXES)


def inspect(
    path: str | os.PathLike[str], *, max_pixels: int = MAX_PIXELS, hdr: bool = False
) -> Video:
    """Decodes a video once, to count its frames and to find damage.

    Frame counts in headers are not reliable, and often missing.

    Args:
        path: the file.
        max_pixels: refuse frames with more pixels than this, before decoding them.
        hdr: whether PQ and HLG are allowed.

    Raises:
        InputError: the file is missing, not a video, damaged, too large or transparent, is HDR
            although `hdr` is False, has frames of several sizes or an unsupported coding, or PyAV
            is not installed.
    """
    with _opened(path, max_pixels) as (container, stream):
        bare = container.format.flags & _NO_TIMESTAMPS
        rate = None if bare or not stream.average_rate else Fraction(stream.average_rate)
        number, first = 0, (0, 0)
        coding = yuv.Coding()
        for frame in _decoded(container, stream, path):
            size = _upright_size(frame)
            if number == 0:
                first, coding = size, _coding(frame, stream.codec_context)
                _check(frame, coding, str(path), hdr=hdr)
            if size != first:
                raise InputError(
                    f"{path}: frame {number} has {size[1]} x {size[0]} pixels, but frame 0 has "
                    f"{first[1]} x {first[0]}; encode all frames at one size"
                )
            number += 1
    if not number:
        raise InputError(f"{path}: has no frames; restore or remove the file")
    return Video(Path(path), *first, number, rate, coding)


def frames(
    video: Video,
    coding: yuv.Coding,
    wanted: Iterable[int],
    *,
    max_pixels: int = MAX_PIXELS,
    hdr: bool = False,
    peak_nits: float | None = None,
) -> Iterator[Float[np.ndarray, "h w 3"]]:
    """The frames of a video as float32 `(H, W, 3)`, upright, one at a time: sRGB in [0, 1].

    Args:
        video: see `inspect`.
        coding: how colours are coded, with every field set.
        wanted: numbers of frames, from 0, ascending. Others are decoded but not converted.
        max_pixels: see `inspect`.
        hdr: give the luminance of a PQ or HLG video instead of sRGB; see `luminance.of`.
        peak_nits: see `luminance.of`.

    Raises:
        InputError: the file has changed since it was inspected, is HDR although `hdr` is False, or
            is not HDR although `hdr` is True.
    """
    where = str(video.path)
    profile = profiles.from_code_points(coding.primaries or 0, coding.transfer or 0, where)
    numbers = iter(wanted)
    following = next(numbers, None)
    if following is None:
        return
    with _opened(video.path, max_pixels) as (container, stream):
        for number, frame in enumerate(_decoded(container, stream, video.path)):
            if number == following:
                rgb = np.rot90(_rgb(frame, coding), frame.rotation // 90)
                yield (
                    luminance.of(Raster(rgb, profile=profile), where, peak_nits)
                    if hdr
                    else np.ascontiguousarray(colour.convert_float(rgb, profile, where), np.float32)
                )
                following = next(numbers, None)
                if following is None:
                    return
    raise InputError(f"{where}: no longer has frame {following}; it changed while it was read")


@contextlib.contextmanager
def _opened(path: str | os.PathLike[str], max_pixels: int) -> Iterator[tuple[Any, Any]]:
    """A container and its video stream; whatever FFmpeg raises becomes an `InputError`."""
    av = _pyav(path)
    if not os.path.isfile(path):
        what = "is a folder or a device, not a video" if os.path.exists(path) else "no such file"
        raise InputError(f"{path}: {what}; check the path")
    try:
        # The prefix keeps names like "http:..." and "pipe:" from being taken for addresses.
        name = f"file:{os.path.abspath(path)}"
        with av.open(name, options={"format_whitelist": _READERS}) as container:
            if not container.streams.video:
                raise InputError(f"{path}: has no video stream; give a video")
            stream = container.streams.video[0]
            context = stream.codec_context
            if context is None:
                raise InputError(
                    f"{path}: its codec is not supported; convert it to Y4M, MP4 or MKV"
                )
            if context.width * context.height > max_pixels:
                raise InputError(
                    f"{path}: {context.width} x {context.height} pixels is beyond the limit of "
                    f"{max_pixels:,} pixels; downscale the video"
                )
            context.thread_type = "AUTO"
            # A stream may change its size later. FFmpeg's limit includes the padding of rows.
            context.options = {"max_pixels": str(2 * max_pixels + 2**16)}
            yield container, stream
    except InputError:
        raise
    except MemoryError:
        raise InputError(
            f"{path}: not enough memory for frames of this size; downscale the video"
        ) from None
    except (av.error.FFmpegError, ValueError, LookupError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(
            f"{path}: cannot be read as a video, perhaps damaged or truncated ({reason}); restore "
            "the file, or convert it to Y4M, MP4 or MKV"
        ) from None


def _decoded(container: Any, stream: Any, path: str | os.PathLike[str]) -> Iterator[Any]:
    for number, frame in enumerate(container.decode(stream)):
        if frame.is_corrupt:  # FFmpeg fills damaged parts from other frames
            raise InputError(f"{path}: frame {number} is damaged; restore the file")
        yield frame


def _upright_size(frame: Any) -> tuple[int, int]:
    size = frame.height, frame.width
    return size[::-1] if frame.rotation % 180 else size


def _coding(frame: Any, context: Any) -> yuv.Coding:
    """The colour coding that a frame, or else its stream, specifies."""

    def said(name: str) -> int | None:
        values = (int(getattr(source, name)) for source in (frame, context))
        return next((value for value in values if value != _UNSPECIFIED), None)

    # FFmpeg's older names of full-range formats begin with yuvj.
    extent = _FULL if frame.format.name.startswith("yuvj") else int(frame.color_range)
    kind = _kind(frame.format)
    return yuv.Coding(
        matrix=said("colorspace") if kind == "yuv" else None,
        full_range={_FULL: True, _STUDIO: False}.get(extent, None if kind == "yuv" else True),
        primaries=said("color_primaries"),
        transfer=said("color_trc"),
        kind=kind,
    )


def _kind(form: Any) -> Literal["yuv", "gray", "rgb"]:
    if form.is_rgb or form.has_palette:
        return "rgb"
    return "gray" if len(form.components) == 1 else "yuv"


def _check(frame: Any, coding: yuv.Coding, where: str, *, hdr: bool) -> None:
    """Refuses a video whose frames cannot become sRGB or, with `hdr`, luminance."""
    name = frame.format.name
    if any(component.is_alpha for component in frame.format.components):
        raise InputError(f"{where}: has an alpha channel ({name}); composite it first")
    xyz = name.startswith("xyz")  # FFmpeg would convert it by the wrong matrix
    if frame.format.is_bayer or xyz or _planar_name(frame.format) is None:
        raise InputError(
            f"{where}: the pixel format {name} is not supported; convert it to yuv444p10"
        )
    if coding.matrix not in (None, *yuv.MATRICES):
        raise InputError(
            f"{where}: its matrix (H.273 code {coding.matrix}) is not supported; "
            "convert it to BT.709"
        )
    # Most files specify nothing, but HDR files do.
    profile = profiles.from_code_points(
        coding.primaries or _UNSPECIFIED, coding.transfer or _UNSPECIFIED, where
    )
    if not hdr:
        profiles.refuse_hdr(profile, where)


def _planar_name(form: Any) -> str | None:
    """FFmpeg's name of the planar format with the same samples; None where there is none."""
    bits = max(component.bits for component in form.components)
    deep = f"{bits}le" if bits > 8 else ""
    kind = _kind(form)
    if kind != "yuv":
        return f"{'gbrp' if kind == 'rgb' else 'gray'}{deep}"
    ratio = 64 // form.chroma_width(64), 64 // form.chroma_height(64)
    return f"yuv{_SUBSAMPLING[ratio]}p{deep}" if ratio in _SUBSAMPLING else None


def _rgb(frame: Any, coding: yuv.Coding) -> Float[np.ndarray, "h w 3"]:
    wanted = _planar_name(frame.format)
    if frame.format.name.replace("yuvj", "yuv") != wanted:
        frame = frame.reformat(format=wanted)  # the same samples in another layout
    components = frame.format.components
    planes = [_plane(frame.planes[part.plane], part.bits) for part in components]
    bits, full_range = components[0].bits, bool(coding.full_range)
    if frame.format.is_rgb:
        rgb = np.stack([yuv.scaled(plane, bits, full_range) for plane in planes], axis=-1)
        return np.clip(rgb, 0, 1)
    return yuv.to_rgb(planes, bits, coding.matrix or 0, full_range)


def _plane(plane: Any, bits: int) -> np.ndarray:
    """The samples of a plane, without the padding of its rows."""
    rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[: plane.height]
    samples = rows.view("<u2") if bits > 8 else rows
    return samples[:, : plane.width]


def _pyav(path: str | os.PathLike[str]) -> Any:
    try:
        import av
    except ImportError:
        raise InputError(
            f"{path}: reading videos needs PyAV; run: pip install 'gsn_jax[video]'"
        ) from None
    return av
