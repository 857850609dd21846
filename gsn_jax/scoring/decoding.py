"""Images of many pairs, decoded ahead of the computation by threads."""

from __future__ import annotations

import collections
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np

from gsn_jax.images.files import MAX_PIXELS, read_pixel_count
from gsn_jax.scoring.pairs import Loading, Pair

# Limits of what is decoded ahead, in pairs per thread and in pixels; they bound the memory.
_THREADS = 2
_AHEAD = 4
_AHEAD_PIXELS = 32_000_000

_Decoding = Future[np.ndarray]

# The reference and the distorted image; None of a pair with a problem.
Decoded = tuple[_Decoding, _Decoding] | None


def decode_ahead(
    order: Sequence[int],
    pairs: Sequence[Pair],
    loading: Loading,
    *,
    shared: bool,
    threads: int = _THREADS,
) -> Iterator[tuple[int, Decoded]]:
    """Gives indices with the futures of their images, while the next ones are decoded.

    Args:
        order: indices of the pairs to decode.
        pairs: all pairs.
        loading: how files are read.
        shared: whether neighbouring pairs of one reference get the same decoded image.
        threads: how many decode.
    """
    with ThreadPoolExecutor(max_workers=threads) as executor:
        waiting: collections.deque[tuple[int, Decoded, int]] = collections.deque()
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
        finally:  # a caller that stops early need not wait for the images that were requested
            executor.shutdown(wait=True, cancel_futures=True)
