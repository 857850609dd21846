"""CW-SSIM against pyiqa's pyramid, and the authors' values.

Expected values in float64 from `SCFpyr_PyTorch(height=4, nbands=8)` of pyiqa 0.1.16 on rounded luma
of the pairs of `metric_pairs.py`. On the five public pairs of pyiqa (I03, I04, I06, I08, I19) this
package gives 0.2763, 0.9996, 1.0000, 0.9068 and 0.8658, which are the authors' values.
"""

import jax
import metric_pairs
import numpy as np
import pytest

from gsn_jax import metrics

PAIRS = metric_pairs.pairs()
EXPECTED = {
    "noise": 0.9996898779093258,
    "blocks": 0.9933615035205272,
    "contrast": 0.9755625563873564,
    "gray": 0.9990608859712233,
    "saturated": 0.9992539584821151,
}


@pytest.fixture(scope="module")
def score():
    return jax.jit(metrics.cw_ssim)


@pytest.mark.parametrize("name", EXPECTED)
def test_other_implementation(name, score):
    got = score(*metric_pairs.floats(PAIRS[name]))
    np.testing.assert_allclose(got, EXPECTED[name], atol=2e-6)


def test_odd_sides(score):
    pair = metric_pairs.floats([image[:151, :167] for image in PAIRS["noise"]])
    np.testing.assert_allclose(score(*pair), 0.9997461963729073, atol=2e-6)


def test_a_small_shift_matters_less_than_blocks(score):
    cat, _ = metric_pairs.floats(PAIRS["blocks"])
    shifted = np.roll(cat, 1, 1)
    mixed = metric_pairs.floats((metric_pairs.blocks(255 * cat), cat))[0]
    assert score(cat, shifted) > score(cat, mixed)
