import copy
import pickle
import subprocess
import sys

import jax.numpy as jnp
import numpy as np
import pytest

from gsn_jax import metrics
from gsn_jax.errors import InputError
from gsn_jax.metric import (
    FeatureCache,
    FunctionMetric,
    MapGrid,
    Stages,
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


def test_a_metric_that_was_used_can_be_copied(pair):
    METRIC(*pair)
    METRIC.quality_map(*pair)
    METRIC.score_arrays(*pair, FeatureCache().of("reference"))
    for twin in (pickle.loads(pickle.dumps(METRIC)), copy.deepcopy(METRIC)):
        np.testing.assert_array_equal(twin(*pair), METRIC(*pair))


@pytest.mark.slow
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
