"""JPEG with quantisation steps above 255, which TID2013's strongest levels use."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator

import numpy as np

from data_pipelines.distortions.compression import decode, jpeg_bytes


def jpeg_of_quality(image: np.ndarray, quality: float, rng: np.random.Generator) -> np.ndarray:
    """Encodes 4:2:0 JPEG at libjpeg's `quality` (1 to 100), with steps above 255; decodes it."""
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    if scale <= 210:  # the largest entry, 121, becomes 254: all steps fit into 8 bits
        return decode(jpeg_bytes(image, scale))
    with _without_caution():
        return decode(jpeg_bytes(image, scale, largest_step=32767))


@contextlib.contextmanager
def _without_caution() -> Iterator[None]:
    """Hides libjpeg's "Caution: quantization tables are too coarse" on file descriptor 2."""
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
