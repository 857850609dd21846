"""Scoring many pairs of files. Images are decoded ahead; a bad pair does not stop the others."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import functools
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from gsn_jax.devices.batches import Images
from gsn_jax.errors import InputError
from gsn_jax.images import alignment
from gsn_jax.images.files import MAX_PIXELS, Alpha, read_pixel_count, read_size
from gsn_jax.metric import CACHE_BYTES, FeatureCache, Metric, SizeAware
from gsn_jax.scoring import batching, one_pair
from gsn_jax.scoring.pairs import Hdr, Image, Loading, Pair, Resize, ScoredPair, running_order
from gsn_jax.scoring.regions import Tiles

# Number of pairs, the first ones, that are sampled to find frequent sizes.
_SAMPLE = 64

# Number of pairs checked for a shift, which takes about as long as the simplest metrics.
_GLANCES = 64

# Threads that decode ahead, and limits in pairs per thread and in pixels, which bound memory.
_THREADS = 2
_AHEAD = 4
_AHEAD_PIXELS = 32_000_000

_Decoding = Future[Image]

# The reference and the distorted image; None for a pair with a problem.
_Decoded = tuple[_Decoding, _Decoding] | None


@dataclasses.dataclass
class _Run:
    """State shared by the pairs of a run; `glances` is the number of shift checks left."""

    loading: Loading
    tiles: Tiles | None
    masks: one_pair.Masks
    glances: int = _GLANCES

    def glance(self, reference: Image, distorted: Image) -> alignment.Shift | None:
        """The apparent shift of a pair. Not sought if shifts are undone, or no checks are left."""
        untouched = self.loading.align == "none" and self.loading.hdr is None
        if not (untouched and self.glances and reference.shape == distorted.shape):
            return None
        self.glances -= 1
        return alignment.looks_shifted(reference, distorted)


def score_pairs(
    pairs: Iterable[Pair],
    metrics: Sequence[Metric],
    *,
    alpha: Alpha = "refuse",
    max_pixels: int = MAX_PIXELS,
    resize: Resize | None = None,
    align: alignment.Align = "none",
    hdr: Hdr | None = None,
    peak_nits: float | None = None,
    tiles: Tiles | None = None,
    cache_bytes: int = CACHE_BYTES,
    batch_size: int | None = None,
) -> Iterator[ScoredPair]:
    """Scores pairs and yields them in their order, while the next ones are decoded.

    Args:
        pairs: the pairs to score.
        metrics: each scores every pair.
        alpha: see `gsn_jax.images.load_image`.
        max_pixels: see `gsn_jax.images.load_image`.
        resize: see `Loading`.
        align: see `Loading`.
        hdr: see `Loading`.
        peak_nits: see `Loading`.
        tiles: see `score_unordered`.
        cache_bytes: see `score_unordered`.
        batch_size: see `score_unordered`.

    Yields:
        One `ScoredPair` per pair; a pair that cannot be scored carries its error.
    """
    pairs = list(pairs)
    loading = Loading(alpha, max_pixels, resize, align, hdr, peak_nits)
    yield from in_order(
        score_unordered(
            pairs, metrics, loading, tiles=tiles, cache_bytes=cache_bytes, batch_size=batch_size
        )
    )


def in_order(scored: Iterable[tuple[int, ScoredPair]]) -> Iterator[ScoredPair]:
    """Yields pairs in the order of their indices 0, 1, 2, ..., each as early as possible."""
    waiting: dict[int, ScoredPair] = {}
    following = 0
    for index, item in scored:
        waiting[index] = item
        while following in waiting:
            yield waiting.pop(following)
            following += 1


def score_unordered(
    pairs: Sequence[Pair],
    metrics: Sequence[Metric],
    loading: Loading | None = None,
    *,
    wanted: Iterable[int] | None = None,
    tiles: Tiles | None = None,
    cache_bytes: int = CACHE_BYTES,
    batch_size: int | None = None,
) -> Iterator[tuple[int, ScoredPair]]:
    """Scores pairs grouped by reference, so that each reference is decoded and encoded once.

    On a CPU, pairs are scored one by one. On accelerators, or with a batch size, they are scored in
    batches divided over all local devices. Scores then differ by at most 1e-5 (relative for scores
    above 1), and a device encodes each reference once per batch if no device has more than two.
    Pairs with a mask are always scored one by one, and so are all pairs with tiles or HDR images.

    Args:
        pairs: the pairs to score.
        metrics: each scores every pair.
        loading: how files are read.
        wanted: indices of the pairs to score; None for all.
        tiles: number of tiles, from top to bottom and from left to right, to score as well; None
            for none.
        cache_bytes: size of the cache for features of references; with 0, the reference of every
            pair is decoded and encoded anew. Batches do not use the cache.
        batch_size: pairs per device in a batch. None scores one by one on a CPU; on accelerators it
            means as many as the memory holds.

    Yields:
        The index of a pair and its `ScoredPair`.
    """
    loading = loading or Loading()
    run = _Run(loading, tiles, one_pair.Masks(loading.max_pixels))
    order = running_order(pairs, range(len(pairs)) if wanted is None else wanted)
    _announce_sizes([pairs[index] for index in order], metrics)
    alone = order
    if batching.wanted(batch_size) and tiles is None and loading.hdr is None:
        alone = [index for index in order if pairs[index].mask_file is not None]
        batched = [index for index in order if pairs[index].mask_file is None]
        yield from _in_batches(batched, pairs, metrics, run, batch_size)
    cache = FeatureCache(cache_bytes) if cache_bytes else None
    uses = collections.Counter(pairs[index].reference_file for index in alone)
    for index, decoded in _decode_ahead(alone, pairs, loading, shared=cache is not None):
        pair = pairs[index]
        again = cache is not None and uses[pair.reference_file] > 1
        yield index, _score(pair, decoded, metrics, run, cache if again else None)


def _in_batches(
    order: Sequence[int],
    pairs: Sequence[Pair],
    metrics: Sequence[Metric],
    run: _Run,
    batch_size: int | None,
) -> Iterator[tuple[int, ScoredPair]]:
    # Found before a pair is scored: the shift that was undone, and the one that it appears to have.
    shifts: dict[int, tuple[alignment.Shift | None, alignment.Shift | None]] = {}

    def load(index: int, decoded: _Decoded) -> Images:
        pair = pairs[index]
        images = _images(pair, decoded)
        prepared = one_pair.prepare(pair, *images, run.loading, run.masks)
        shifts[index] = prepared.shift, run.glance(*images)
        return prepared.reference, prepared.distorted

    jobs = (
        batching.Job(index, functools.partial(load, index, decoded), metrics)
        for index, decoded in _decode_ahead(
            order, pairs, run.loading, shared=True, threads=os.cpu_count() or 1
        )
    )
    with contextlib.closing(jobs):
        for index, outcome in batching.score_in_batches(jobs, len(order), batch_size):
            scored = (
                one_pair.failed(pairs[index], outcome)
                if isinstance(outcome, Exception)
                else one_pair.scored(pairs[index], metrics, outcome)
            )
            undone, seen = shifts.pop(index, (None, None))
            looks_shifted = None if scored.error else seen
            yield index, dataclasses.replace(scored, shift=undone, looks_shifted=looks_shifted)


def _announce_sizes(pairs: Sequence[Pair], metrics: Sequence[Metric]) -> None:
    """Tells the metrics which sizes to expect how often, from the headers of the first pairs."""
    expecting = [metric for metric in metrics if isinstance(metric, SizeAware)]
    sample = [pair for pair in pairs[:_SAMPLE] if not pair.problem] if expecting else []
    sizes = collections.Counter(read_size(pair.files[1]) for pair in sample)
    for size, number in sizes.items():
        for metric in expecting:
            if size is not None:
                metric.expect(size, number * len(pairs) // len(sample))


def _score(
    pair: Pair,
    decoded: _Decoded,
    metrics: Sequence[Metric],
    run: _Run,
    cache: FeatureCache | None,
) -> ScoredPair:
    try:
        images = _images(pair, decoded)
    except Exception as error:
        return one_pair.failed(pair, error)
    scored = one_pair.score(pair, *images, metrics, run.loading, run.masks, run.tiles, cache)
    return (
        scored if scored.error else dataclasses.replace(scored, looks_shifted=run.glance(*images))
    )


def _images(pair: Pair, decoded: _Decoded) -> Images:
    if decoded is None:
        raise InputError(pair.problem)
    return decoded[0].result(), decoded[1].result()


def _decode_ahead(
    order: Sequence[int],
    pairs: Sequence[Pair],
    loading: Loading,
    *,
    shared: bool,
    threads: int = _THREADS,
) -> Iterator[tuple[int, _Decoded]]:
    """Yields indices with the futures of their images, while the next ones are decoded.

    With `shared`, adjacent pairs with the same reference get the same decoded image.
    """
    with ThreadPoolExecutor(max_workers=threads) as executor:
        waiting: collections.deque[tuple[int, _Decoded, int]] = collections.deque()
        last: tuple[Path, _Decoding] | None = None
        pixels = 0
        try:
            for index in order:
                pair = pairs[index]
                size = 0 if pair.problem else read_pixel_count(pair.files[1])
                while waiting and (
                    len(waiting) >= _AHEAD * threads
                    or pixels + min(size, MAX_PIXELS) > _AHEAD_PIXELS
                ):
                    done, decoded, freed = waiting.popleft()
                    pixels -= freed
                    yield done, decoded
                    del decoded
                decoded = None
                if not pair.problem:
                    reference, distorted = pair.files
                    if last is None or not shared or last[0] != reference:
                        last = reference, executor.submit(loading.load, reference)
                    decoded = last[1], executor.submit(loading.load, distorted)
                waiting.append((index, decoded, size))
                pixels += size
                del decoded
            last = None
            while waiting:
                yield waiting.popleft()[:2]
        finally:  # a caller that stops early does not wait for images that are still queued
            executor.shutdown(wait=True, cancel_futures=True)
