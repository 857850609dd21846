"""DSS against piq 0.8.0: `piq.dss(distorted, reference)` in float64 on `metric_pairs.py`."""

import jax
import metric_pairs
import numpy as np
import pytest

from gsn_jax import metrics

PAIRS = metric_pairs.pairs()
EXPECTED = {
    "noise": 0.9019315773339048,
    "blocks": 0.8578245099981416,
    "contrast": 0.962656131548447,
    "gray": 0.9825496410799668,
    "saturated": 0.9939250354283907,
}


@pytest.fixture(scope="module")
def score():
    return jax.jit(metrics.dss)


@pytest.mark.parametrize("name", EXPECTED)
def test_other_implementation(name, score):
    got = score(*metric_pairs.floats(PAIRS[name]))
    np.testing.assert_allclose(got, EXPECTED[name], atol=2e-5)


def test_equal_images_lose_exactly_nothing(score):
    image, _ = metric_pairs.floats(PAIRS["noise"])
    assert float(score(image, image)) == 1


def test_samples_beyond_the_last_whole_block_do_not_count(score):
    pair = metric_pairs.floats(PAIRS["noise"])
    whole, with_rest = (score(*(i[:side, :side] for i in pair)) for side in (32, 37))
    np.testing.assert_allclose(with_rest, whole, rtol=1e-6)
