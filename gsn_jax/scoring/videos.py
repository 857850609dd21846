"""The frames of a video and its distorted versions as pairs, decoded one after the other."""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from typing import Any

from gsn_jax.errors import InputError
from gsn_jax.images import video, yuv
from gsn_jax.images.video import Video
from gsn_jax.metric import Metric, SizeAware
from gsn_jax.scoring import one_pair
from gsn_jax.scoring.pairs import Image, Loading, Pair, ScoredPair, shown

# Relative. Containers round rates differently; 24 and 23.976 differ by twice as much.
_RATE_TOLERANCE = 0.0005


@dataclasses.dataclass(frozen=True)
class FramePairs:
    """A reference video and distorted versions of it, frame by frame.

    Attributes:
        reference: the reference.
        distorted: its versions, with as many frames.
        every: step between scored frames, which begin with the first one.
        loading: how files are read; `alpha` has no effect.
    """

    reference: Video
    distorted: tuple[Video, ...]
    every: int = 1
    loading: Loading = dataclasses.field(default_factory=Loading)

    @functools.cached_property
    def pairs(self) -> list[Pair]:
        """The pairs of frames, named like `distorted.mp4#120`, one version after the other."""
        first = self.reference.path
        return [
            Pair(f"{shown(first)}#{n}", f"{shown(other.path)}#{n}", first, other.path)
            for other in self.distorted
            for n in self._numbers
        ]

    @property
    def _numbers(self) -> range:
        return range(0, self.reference.frames, self.every)

    def score(
        self, metrics: Sequence[Metric], wanted: Iterable[int] | None = None
    ) -> Iterator[tuple[int, ScoredPair]]:
        """Scores frames, while the next ones are decoded. Memory holds two frames of each video.

        Args:
            metrics: each scores every pair.
            wanted: indices of `pairs`; None for all.

        Yields:
            The index of a pair and its `ScoredPair`.

        Raises:
            InputError: a file has changed since it was inspected.
        """
        indices = sorted(range(len(self.pairs)) if wanted is None else wanted)
        for metric in metrics:
            if isinstance(metric, SizeAware):
                metric.expect((self.reference.height, self.reference.width), len(indices))
        each = len(self._numbers)
        masks = one_pair.Masks(self.loading.max_pixels)
        for number, other in enumerate(self.distorted):
            mine = [index for index in indices if index // each == number]
            frames = self._frames(other, [self._numbers[index % each] for index in mine])
            for index, images in zip(mine, _ahead(frames), strict=True):
                pair = self.pairs[index]
                yield index, one_pair.score(pair, *images, metrics, self.loading, masks)

    def _frames(self, other: Video, numbers: Sequence[int]) -> Iterator[tuple[Image, Image]]:
        """Frames of the reference and of a version.

        Colour properties that one file does not state are taken from the other: encoders lose
        such labels more often than they convert colours.
        """
        default = yuv.default_coding(self.reference.width, self.reference.height)
        sources = [
            video.frames(
                one,
                one.coding.filled_from(two.coding).filled_from(default),
                numbers,
                max_pixels=self.loading.max_pixels,
                hdr=self.loading.hdr is not None,
                peak_nits=self.loading.peak_nits,
            )
            for one, two in ((self.reference, other), (other, self.reference))
        ]
        return zip(*sources, strict=True)


def frame_pairs(
    reference: str | os.PathLike[str],
    distorted: Sequence[str | os.PathLike[str]],
    *,
    every: int = 1,
    loading: Loading | None = None,
) -> FramePairs:
    """The frames of a video and of its versions as pairs. Each file is decoded once to check it.

    Args:
        reference: the reference video.
        distorted: its versions.
        every: see `FramePairs`.
        loading: limit on pixels, and what to do with versions of another size.

    Raises:
        InputError: a file is not a video that can be read (see `gsn_jax.images.video.inspect`), or
            a version differs from the reference in length or frame rate, or in size if `loading`
            does not resize.
    """
    loading = loading or Loading()
    for path in (reference, *distorted):
        if Path(path).exists() and not video.is_video(path):
            raise InputError(f"{shown(path)}: is not a video; give videos only, or images only")
    limits: dict[str, Any] = {"max_pixels": loading.max_pixels, "hdr": loading.hdr is not None}
    first = video.inspect(reference, **limits)
    versions = tuple(video.inspect(path, **limits) for path in distorted)
    for other in versions:
        _check_alike(first, other, resized=loading.resize is not None)
    return FramePairs(first, versions, every, loading)


def _check_alike(reference: Video, distorted: Video, *, resized: bool) -> None:
    sizes = [f"{one.width} x {one.height}" for one in (distorted, reference)]
    names = shown(distorted.path), shown(reference.path)
    if sizes[0] != sizes[1] and not resized:
        raise InputError(
            f"{names[0]}: size {sizes[0]} differs from {sizes[1]} of {names[1]}; resize one with "
            "--resize to-reference or to-distorted"
        )
    rates = distorted.rate, reference.rate
    if rates[0] and rates[1] and abs(rates[0] / rates[1] - 1) > _RATE_TOLERANCE:
        texts = [_rate(rate) for rate in rates if rate]
        raise InputError(
            f"{names[0]}: {texts[0]} fps differs from {texts[1]} fps of {names[1]}; convert one to "
            "the frame rate of the other"
        )
    if distorted.frames != reference.frames:
        raise InputError(
            f"{names[0]}: has {distorted.frames} frames, but {names[1]} has {reference.frames}; "
            "trim both to the same frames"
        )


def _rate(rate: Fraction) -> str:
    return f"{float(rate):.6g}"


def _ahead(frames: Iterator[tuple[Image, Image]]) -> Iterator[tuple[Image, Image]]:
    """Yields the same frames, and decodes the next pair in a thread meanwhile."""
    with ThreadPoolExecutor(max_workers=1) as executor:
        following = executor.submit(next, frames, None)
        while (images := following.result()) is not None:
            following = executor.submit(next, frames, None)
            yield images
            del images
