"""A cache of decoded reference images, since many pairs share a reference."""

from __future__ import annotations

import collections
import threading
from collections.abc import Callable, Hashable
from typing import Any

import numpy as np

from data_pipelines.sources import PairSource, check_sizes


class ImageCache:
    """A thread-safe LRU cache of images.

    A pickled copy starts empty.

    Args:
        budget: memory limit in bytes of pixels; 0 disables the cache.
    """

    def __init__(self, budget: int):
        self.budget = budget
        self._start()

    def _start(self) -> None:
        self._images: collections.OrderedDict[Hashable, np.ndarray] = collections.OrderedDict()
        self._lock = threading.Lock()
        self.bytes = 0

    def get(self, key: Hashable, load: Callable[[], np.ndarray]) -> np.ndarray:
        """The read-only image for `key`, from the cache or else from `load()`."""
        with self._lock:
            if key in self._images:
                self._images.move_to_end(key)
                return self._images[key]
        image = load()  # outside the lock: threads decode different images at the same time
        image.setflags(write=False)
        with self._lock:
            if key not in self._images and image.nbytes <= self.budget:
                self._images[key] = image
                self.bytes += image.nbytes
                while self.bytes > self.budget:
                    _, oldest = self._images.popitem(last=False)
                    self.bytes -= oldest.nbytes
        return image

    def __getstate__(self) -> dict[str, Any]:
        return {"budget": self.budget}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.budget = state["budget"]
        self._start()


class CachedPairs:
    """Random access to `(index, reference, distorted)` of a source, through an `ImageCache`."""

    def __init__(self, source: PairSource, budget: int):
        self.source = source
        self._cache = ImageCache(budget)

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> tuple[int, np.ndarray, np.ndarray]:
        """Pair `index`.

        Raises:
            InputError: as for `PairSource.__getitem__`.
        """
        index = int(index)
        distorted = self.source.load_distorted(index)
        reference = self._cache.get(
            self.source.reference_key(index), lambda: self.source.load_reference(index)
        )
        check_sizes(self.source, index, reference, distorted)
        return index, reference, distorted
