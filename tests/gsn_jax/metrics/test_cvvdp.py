"""ColorVideoVDP against the authors' package `cvvdp` 0.5.7 on the pairs of `metric_pairs.py`.

Expected values by `predict` of uint8 arrays `(H, W, 3)` and its raw heat map, on a CPU.
"""

import functools

import jax
import metric_pairs
import numpy as np
import pytest

from gsn_jax import metrics
from gsn_jax.errors import InputError
from gsn_jax.metrics import displays, laplacian_pyramid
from gsn_jax.metrics._cvvdp import cvvdp_map

PAIRS = metric_pairs.pairs()
# The quality, and of the heat map the mean, the first and the last value.
EXPECTED = {
    "noise": (9.488192558288574, 0.02219469142569737, 0.0830078125, 0.13232421875),
    "blocks": (8.49970817565918, 0.08419117229905995, 0.064453125, 0.1549072265625),
    "contrast": (8.705239295959473, 0.09469497407024557, 0.0264434814453125, 0.027923583984375),
    "gray": (9.797978401184082, 0.00892619705568491, 0.004642486572265625, 0.014373779296875),
    "saturated": (9.830778121948242, 0.005391447550871156, 0.003057479858398, 0.001198768615723),
}
# Of the top left corner on two displays.
SMALL = {
    ("noise", 101, 67, "standard_fhd"): 8.408449172973633,
    ("blocks", 64, 33, "standard_4k"): 8.346692085266113,
    ("contrast", 9, 12, "standard_phone"): 9.937675476074219,
    ("noise", 4, 5, "standard_4k"): 9.737906455993652,
}


@pytest.fixture(scope="module")
def compiled():
    return jax.jit(lambda *pair: (metrics.cvvdp(*pair), cvvdp_map(*pair)))


@functools.cache
def seen_on(display):
    return jax.jit(functools.partial(metrics.cvvdp, display=display))


@pytest.mark.parametrize("name", EXPECTED)
def test_the_package(name, compiled):
    quality, cells = compiled(*metric_pairs.floats(PAIRS[name]))
    np.testing.assert_allclose(quality, EXPECTED[name][0], atol=1e-5)
    heat = 1 - np.float64(cells) / 10  # that of the package is in half precision
    got = [heat.mean(), heat[0, 0], heat[-1, -1]]
    np.testing.assert_allclose(got, EXPECTED[name][1:], rtol=1e-3, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "height", "width", "display"), SMALL)
def test_small_and_odd_images(name, height, width, display):
    """Where there is no room, bands are fewer and masking is not blurred."""
    corner = metric_pairs.floats([image[:height, :width] for image in PAIRS[name]])
    got = seen_on(display)(*corner)
    np.testing.assert_allclose(got, SMALL[name, height, width, display], atol=1e-5)


def test_brightness_as_a_whole_is_not_compared():
    """As in the package: black against white scores 10."""
    black = np.zeros((4, 5, 3), np.float32)
    assert seen_on("standard_4k")(black, 1 - black) == 10


@pytest.mark.parametrize(("height", "width"), [(37, 22), (20, 35)])
def test_loops_and_matrices_make_the_same_pyramid(height, width, rng, monkeypatch):
    planes = rng.normal(size=(2, height, width)).astype(np.float32)

    def pyramid(small):
        monkeypatch.setattr(laplacian_pyramid, "SMALL", small)
        return jax.jit(lambda planes: laplacian_pyramid.decomposed(planes, 3, margin=3))(planes)

    for loops, matrices in zip(*map(jax.tree.leaves, (pyramid(16), pyramid(64))), strict=True):
        np.testing.assert_allclose(loops, matrices, atol=1e-5)


def test_an_unknown_display_is_one_line():
    image = np.zeros((4, 5, 3), np.float32)
    known = ", ".join(displays.DISPLAYS)
    with pytest.raises(InputError, match=f"unknown display 'sdr_phone'; known: {known}"):
        metrics.cvvdp(image, image, display="sdr_phone")
