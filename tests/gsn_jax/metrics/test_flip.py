"""FLIP against the authors' package `flip-evaluator` 1.7.

Expected values by `evaluate(reference, distorted, "LDR", applyMagma=False)[1]` on the pairs of
`metric_pairs.py`, as float32 in [0, 1], which is 67 pixels per degree.
"""

import functools

import jax
import metric_pairs
import numpy as np
import pytest

from gsn_jax import metrics

PAIRS = metric_pairs.pairs()
EXPECTED = {
    "noise": 0.10901779681444168,
    "blocks": 0.12045979499816895,
    "contrast": 0.22708211839199066,
    "gray": 0.03719370812177658,
    "saturated": 0.051974475383758545,
}


@pytest.fixture(scope="module")
def score():
    return jax.jit(metrics.flip)


@pytest.mark.parametrize("name", EXPECTED)
def test_the_authors_package(name, score):
    got = score(*metric_pairs.floats(PAIRS[name]))
    np.testing.assert_allclose(got, EXPECTED[name], atol=5e-5)


def test_equal_images_differ_by_nothing(score):
    image, _ = metric_pairs.floats(PAIRS["noise"])
    assert float(score(image, image)) == 0


def test_from_afar_fine_differences_are_not_seen():
    fine = np.zeros((24, 24, 3), np.float32)
    fine[:, ::2] = 1
    near, far = (
        jax.jit(functools.partial(metrics.flip, pixels_per_degree=density))(fine, 1 - fine)
        for density in (4.0, 120.0)
    )
    assert far < 0.3 * near
