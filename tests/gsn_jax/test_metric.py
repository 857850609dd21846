import copy
import pickle
import subprocess
import sys

import jax.numpy as jnp
import numpy as np
import pytest

from gsn_jax import metrics
from gsn_jax.compilation import bounded_jit
from gsn_jax.errors import InputError
from gsn_jax.metric import (
    FeatureCache,
    FunctionMetric,
    MapGrid,
    Metric,
    Stages,
    forget,
)


def encode(image):
    return image.mean()


def compare(reference, distorted):
    return jnp.abs(reference - distorted)


def mean_shift(reference, distorted):
    return jnp.abs(reference.mean((-3, -2, -1)) - distorted.mean((-3, -2, -1)))


def shift_map(reference, distorted):
    return jnp.abs(reference - distorted).mean(-1)


METRIC = FunctionMetric(
    "shift", mean_shift, False, (0.0, 1.0), shift_map, 4, stages=Stages(encode, compare)
)


@pytest.fixture
def pair(rng):
    return tuple(rng.integers(0, 256, (6, 8, 3), np.uint8) for _ in range(2))


def test_scores_arrays_batches_and_stages_alike(pair):
    expected = abs(np.mean(pair[0] / 255) - np.mean(pair[1] / 255))
    np.testing.assert_allclose(METRIC(*pair), expected, atol=1e-6)
    batch = METRIC(*(np.stack([image, image]) for image in pair))
    np.testing.assert_allclose(batch, [expected] * 2, atol=1e-6)
    np.testing.assert_allclose(METRIC.score_arrays(*pair), expected, atol=1e-6)
    remember = FeatureCache().of("reference")
    for _ in range(2):
        np.testing.assert_allclose(METRIC.score_arrays(*pair, remember), expected, atol=1e-6)


def test_maps(pair):
    expected = np.abs(pair[0] / 255 - pair[1] / 255).mean(-1)
    np.testing.assert_allclose(METRIC.quality_map(*pair), expected, rtol=1e-5)
    assert METRIC.map_grid(6, 8) == MapGrid(step=1, first=0.0)
    plain = FunctionMetric("plain", mean_shift, False, (0.0, 1.0))
    assert METRIC.has_map
    assert not plain.has_map
    with pytest.raises(InputError, match="'plain' has no quality map"):
        plain.quality_map(*pair)


def test_bad_pairs_are_one_line(pair):
    with pytest.raises(InputError, match="too small"):
        METRIC(*(image[:3] for image in pair))
    with pytest.raises(InputError, match="too small"):
        METRIC.score_arrays(*(image[:3] for image in pair))


@pytest.mark.parametrize("name", metrics.names())
def test_every_metric_follows_the_protocol_and_can_be_copied(name):
    metric = metrics.get(name)
    assert isinstance(metric, Metric)
    for twin in (pickle.loads(pickle.dumps(metric)), copy.deepcopy(metric)):
        assert twin.name == name
        assert twin.value_range == metric.value_range
        assert twin.has_map == metric.has_map


def test_a_metric_that_was_used_can_be_copied(pair):
    METRIC(*pair)
    METRIC.quality_map(*pair)
    METRIC.score_arrays(*pair, FeatureCache().of("reference"))
    for twin in (pickle.loads(pickle.dumps(METRIC)), copy.deepcopy(METRIC)):
        np.testing.assert_array_equal(twin(*pair), METRIC(*pair))


def test_a_pickled_metric_works_in_another_process():
    code = (
        "import pickle, sys, numpy as np; metric = pickle.load(sys.stdin.buffer); "
        "print(float(metric(np.zeros((4, 4, 3)), np.ones((4, 4, 3)))))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        input=pickle.dumps(metrics.get("psnr")),
        capture_output=True,
        check=True,
    )
    assert float(result.stdout) == 0


def test_bounded_jit_compiles_again_after_too_many_shapes():
    traced = []

    def double(values):
        traced.append(values.shape)
        return 2 * values

    function = bounded_jit(double, kept=2)
    for size in (1, 2, 1, 2, 3, 3, 1):
        np.testing.assert_array_equal(function(np.ones(size)), 2 * np.ones(size))
    assert traced == [(1,), (2,), (3,), (1,)]


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
