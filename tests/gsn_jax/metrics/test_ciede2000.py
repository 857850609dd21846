"""CIEDE2000 against the test data of Sharma et al. (2005), table 1, and scikit-image 0.26."""

import jax
import metric_pairs
import numpy as np
import pytest
import skimage.color

from gsn_jax import metrics
from gsn_jax.metrics._ciede2000 import difference

PAIRS = metric_pairs.pairs()
# L*, a*, b* of both colours, and their difference.
SHARMA = """
50 2.6772 -79.7751 50 0 -82.7485 2.0425;  50 3.1571 -77.2803 50 0 -82.7485 2.8615
50 2.8361 -74.0200 50 0 -82.7485 3.4412;  50 -1.3802 -84.2814 50 0 -82.7485 1.0000
50 -1.1848 -84.8006 50 0 -82.7485 1.0000; 50 -0.9009 -85.5211 50 0 -82.7485 1.0000
50 0 0 50 -1 2 2.3669;                    50 -1 2 50 0 0 2.3669
50 2.49 -0.001 50 -2.49 0.0009 7.1792;    50 2.49 -0.001 50 -2.49 0.001 7.1792
50 2.49 -0.001 50 -2.49 0.0011 7.2195;    50 2.49 -0.001 50 -2.49 0.0012 7.2195
50 -0.001 2.49 50 0.0009 -2.49 4.8045;    50 -0.001 2.49 50 0.001 -2.49 4.8045
50 -0.001 2.49 50 0.0011 -2.49 4.7461;    50 2.5 0 50 0 -2.5 4.3065
50 2.5 0 73 25 -18 27.1492;               50 2.5 0 61 -5 29 22.8977
50 2.5 0 56 -27 -3 31.9030;               50 2.5 0 58 24 15 19.4535
50 2.5 0 50 3.1736 0.5854 1.0000;         50 2.5 0 50 3.2972 0 1.0000
50 2.5 0 50 1.8634 0.5757 1.0000;         50 2.5 0 50 3.2592 0.3350 1.0000
60.2574 -34.0099 36.2677 60.4626 -34.1751 39.4387 1.2644
63.0109 -31.0961 -5.8663 62.8187 -29.7946 -4.0864 1.2630
61.2901 3.7196 -5.3901 61.4292 2.2480 -4.9620 1.8731
35.0831 -44.1164 3.7933 35.0232 -40.0716 1.5901 1.8645
22.7233 20.0904 -46.6940 23.0331 14.9730 -42.5619 2.0373
36.4612 47.8580 18.3852 36.2715 50.5065 21.2231 1.4146
90.8027 -2.0831 1.4410 91.1528 -1.6435 0.0447 1.4441
90.9257 -0.5406 -0.9208 88.6381 -0.8985 -0.7239 1.5381
6.7747 -0.2908 -2.4247 5.8714 -0.0985 -2.2286 0.6377
2.0776 0.0795 -1.1350 0.9033 -0.0636 -0.5514 0.9082
"""


def test_sharmas_pairs():
    table = np.array([row.split() for row in SHARMA.replace(";", "\n").split("\n") if row], float)
    assert table.shape == (34, 7)
    with jax.enable_x64(True):
        got = jax.jit(difference)(table[:, :3].T, table[:, 3:6].T)
        swapped = jax.jit(difference)(table[:, 3:6].T, table[:, :3].T)
    np.testing.assert_allclose(got, table[:, 6], atol=1e-4)
    np.testing.assert_allclose(swapped, table[:, 6], atol=1e-4)


@pytest.mark.parametrize("name", PAIRS)
def test_scikit_image(name):
    pair = metric_pairs.floats(PAIRS[name])
    expected = skimage.color.deltaE_ciede2000(
        *(skimage.color.rgb2lab(i.astype(float)) for i in pair)
    )
    quality = metrics.get("ciede2000").quality_map(*pair)
    np.testing.assert_allclose(quality, expected, atol=2e-3)
    np.testing.assert_allclose(metrics.get("ciede2000")(*pair), expected.mean(), atol=1e-4)
