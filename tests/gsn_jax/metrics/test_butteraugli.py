"""Butteraugli against libjxl at commit aea3a06 of August 2026, between versions 0.11 and 0.12.

Expected values by `ButteraugliComparator::Diffmap` and `ComputeDistanceP` of linear sRGB in
float32, xmul and hf_asymmetry 1, on the pairs of `metric_pairs.py`.
"""

import functools

import jax
import metric_pairs
import numpy as np
import pytest

from gsn_jax import metrics
from gsn_jax.images.size_classes import extent_of
from gsn_jax.metrics._butteraugli import _norm, butteraugli_map

PAIRS = metric_pairs.pairs()
# The maximum, the 3-norm, and of the map the mean, the first and the last value.
EXPECTED = {
    "noise": (6.2946929931640625, 3.4450960500466543, 2.712613956, 3.164774895, 3.342634678),
    "blocks": (10.919534683227539, 5.008107468924503, 2.888570767, 1.658456326, 3.121845961),
    "contrast": (10.246339797973633, 6.7775059283300925, 5.371816178, 5.264875889, 8.452006340),
    "gray": (4.115910053253174, 1.7583286721972222, 1.335893165, 0.632394373, 0.874559999),
    "saturated": (9.478018760681152, 4.991188073554098, 1.754796055, 0.000207145, 0.0),
}
# Of the top left corner: the maximum and the 3-norm.
SMALL = {
    ("contrast", 8, 9): (3.5643887519836426, 3.4865501394278873),
    ("noise", 13, 37): (4.831425666809082, 3.563369612897207),
    ("blocks", 15, 21): (3.5109596252441406, 2.2377281273624017),
}


def every_result(reference, distorted, **options):
    return (
        metrics.butteraugli(reference, distorted, **options),
        metrics.butteraugli_3norm(reference, distorted, **options),
        butteraugli_map(reference, distorted, **options),
    )


@pytest.fixture(scope="module")
def results():
    return jax.jit(every_result)


@pytest.mark.slow
@pytest.mark.parametrize("name", EXPECTED)
def test_libjxl(name, results):
    maximum, norm, distances = results(*metric_pairs.floats(PAIRS[name]))
    got = [maximum, norm, distances.mean(), distances[0, 0], distances[-1, -1]]
    np.testing.assert_allclose(got, EXPECTED[name], rtol=1e-4, atol=1e-4)
    assert maximum == distances.max()


@pytest.mark.slow
@pytest.mark.parametrize(("name", "height", "width"), SMALL)
def test_small_and_odd_images(name, height, width, results):
    """Below 15 pixels nothing is compared at half the resolution."""
    corner = [image[:height, :width] for image in PAIRS[name]]
    got = results(*metric_pairs.floats(corner))[:2]
    np.testing.assert_allclose(got, SMALL[name, height, width], rtol=1e-4)


@pytest.mark.slow
def test_a_brighter_display_shows_more():
    pair = metric_pairs.floats(PAIRS["noise"])
    got = jax.jit(functools.partial(every_result, intensity_target=250.0))(*pair)[:2]
    np.testing.assert_allclose(got, [7.669295787811279, 4.205713614980795], rtol=1e-4)


def test_tiny_differences_have_a_norm(results):
    """The twelfth powers of distances of 1e-4 underflow in float32."""
    reference, distorted = metric_pairs.floats(PAIRS["gray"])
    nearly = reference + np.float32(1e-6) * (distorted > reference)
    maximum, norm, distances = results(reference, nearly)
    exact = np.float64(distances)
    expected = np.mean([np.mean(exact**p) ** (1 / p) for p in (3, 6, 12)])
    assert 0 < maximum < 1e-2
    np.testing.assert_allclose(norm, expected, rtol=1e-4)


def test_the_slope_of_the_norm(rng):
    distances, weights = rng.uniform(0.1, 3, (2, 20, 24))
    direction = rng.normal(size=distances.shape)

    def norm(values):
        return np.mean([np.average(values**p, weights=weights) ** (1 / p) for p in (3, 6, 12)])

    expected = (norm(distances + 1e-6 * direction) - norm(distances - 1e-6 * direction)) / 2e-6
    gradient = jax.grad(_norm)(np.float32(distances), np.float32(weights))
    np.testing.assert_allclose(np.vdot(gradient, direction), expected, rtol=1e-4)


@pytest.mark.slow
def test_the_true_size_decides_whether_half_the_resolution_counts(rng):
    pair = metric_pairs.floats([image[:13, :37] for image in PAIRS["noise"]])
    padded = rng.random((2, 20, 40, 3), np.float32)
    padded[:, :13, :37] = pair
    got = jax.jit(metrics.butteraugli)(*padded, extent=extent_of(pair[0]))
    np.testing.assert_allclose(got, SMALL["noise", 13, 37][0], rtol=1e-4)
