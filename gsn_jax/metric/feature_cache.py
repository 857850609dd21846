"""A cache for features of references."""

from __future__ import annotations

import collections
from collections.abc import Callable, Hashable
from typing import Any

import jax

from gsn_jax.metric.protocols import Remember

CACHE_BYTES = 512 * 2**20


class FeatureCache:
    """Features of references, kept while their distorted versions are scored.

    The least recently used are evicted once the cache exceeds `max_bytes`.
    """

    def __init__(self, max_bytes: int = CACHE_BYTES):
        """Starts empty; with `max_bytes` of 0, nothing is kept."""
        self._max_bytes = max_bytes
        self._kept: collections.OrderedDict[Hashable, tuple[Any, int]] = collections.OrderedDict()
        self._bytes = 0

    def of(self, *key: Hashable) -> Remember:
        """Returns the `Remember` for one reference and metric."""

        def remember(part: Hashable, compute: Callable[[], Any]) -> Any:
            return self._get((*key, part), compute)

        return remember

    def _get(self, key: Hashable, compute: Callable[[], Any]) -> Any:
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key][0]
        features = compute()
        size = sum(leaf.nbytes for leaf in jax.tree.leaves(features))
        if size <= self._max_bytes:
            self._kept[key] = features, size
            self._bytes += size
            while self._bytes > self._max_bytes:
                self._bytes -= self._kept.popitem(last=False)[1][1]
        return features
