"""Features of references, kept while their distorted versions are scored."""

from __future__ import annotations

import collections
from collections.abc import Callable, Hashable
from typing import Any

import jax

from gsn_jax.metric import Remember

MAX_BYTES = 512 * 2**20


class FeatureCache:
    """The features used last, up to a number of bytes."""

    def __init__(self, max_bytes: int = MAX_BYTES):
        """Starts empty; `max_bytes` 0 keeps nothing."""
        self._max_bytes = max_bytes
        self._kept: collections.OrderedDict[Hashable, tuple[Any, int]] = collections.OrderedDict()
        self._bytes = 0

    def of(self, *key: Hashable) -> Remember:
        """The `Remember` of one reference and metric."""

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
