import numpy as np

from gsn_jax.metric import FeatureCache, forget


def test_the_feature_cache_drops_what_was_used_least_recently():
    cache = FeatureCache(max_bytes=100)
    made = []

    def make(name, size=40):
        return lambda: made.append(name) or np.zeros(size, np.uint8)

    for name in ("a", "b", "a", "c", "a", "b"):  # c displaces b
        cache.of(name)("part", make(name))
    assert made == ["a", "b", "c", "b"]
    for _ in range(2):
        cache.of("large")("part", make("large", 1000))
    assert made[-2:] == ["large", "large"]


def test_forget_stores_nothing():
    made = []
    for _ in range(2):
        forget("part", lambda: made.append(1))
    assert made == [1, 1]
