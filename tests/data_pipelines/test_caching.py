"""The cache of decoded references."""

import pickle

import numpy as np
import pytest

from data_pipelines.caching import CachedPairs, ImageCache
from data_pipelines.tables import PairTable


@pytest.fixture
def source(position_table):
    return PairTable(position_table())


def test_cache_keeps_within_its_budget_and_drops_the_least_recent():
    cache = ImageCache(budget=250)
    loads = []

    def get(key):
        def load():
            loads.append(key)
            return np.full(100, ord(key), np.uint8)

        return cache.get(key, load)

    for key in "abacb":  # a is used again before c drives b out
        np.testing.assert_array_equal(get(key), np.full(100, ord(key)))
        assert cache.bytes <= 250
    assert "".join(loads) == "abcb"
    assert not get("c").flags.writeable
    copy = pickle.loads(pickle.dumps(cache))
    assert (copy.budget, copy.bytes) == (250, 0)


def test_references_are_decoded_once(source, monkeypatch):
    count = []
    load = source.load_reference
    monkeypatch.setattr(source, "load_reference", lambda i: count.append(i) or load(i))
    pairs = CachedPairs(source, 2**20)
    for _ in range(2):
        for i in range(len(source)):
            index, reference, distorted = pairs[i]
            assert (index, reference[0, 0, 2], distorted[0, 0, 2]) == (i, i % 3, 100 + i)
    assert len(count) == 3
