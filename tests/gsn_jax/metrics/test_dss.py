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
    np.testing.assert_allclose(got, EXPECTED[name], atol=1e-6)


def test_deviations_are_taken_about_the_mean(score):
    """Windows that are flat but bright: differences of squares would be off by 2e-4 in float32."""
    reference, _ = PAIRS["blocks"]
    means = reference.reshape(11, 16, 12, 16, 3).mean((1, 3)).repeat(16, 0).repeat(16, 1)
    pair = metric_pairs.floats((reference, metric_pairs.stored(means)))
    np.testing.assert_allclose(score(*pair), 0.059744617458437295, atol=1e-6)


def test_equal_images_lose_exactly_nothing(score):
    image, _ = metric_pairs.floats(PAIRS["noise"])
    assert float(score(image, image)) == 1


def test_samples_beyond_the_last_whole_block_do_not_count(score):
    pair = metric_pairs.floats(PAIRS["noise"])
    whole, with_rest = (score(*(i[:side, :side] for i in pair)) for side in (32, 37))
    np.testing.assert_allclose(with_rest, whole, rtol=1e-6)
