import jax
import jax.numpy as jnp
import numpy as np
import numpy_definitions as definitions
import pytest
from skimage import color

from gsn_jax.metrics import colour


@pytest.fixture
def image(rng):
    return (rng.integers(0, 256, (6, 8, 3)) / 255).astype(np.float32)


@pytest.mark.parametrize("rounded", [True, False])
def test_luma_and_its_change(rounded, image, rng):
    other = np.clip(image + 0.1 * rng.standard_normal(image.shape), 0, 1).astype(np.float32)
    first, second = (definitions.luma(i, rounded=rounded) for i in (image, other))
    got, change = colour.luma_and_change(image, other, rounded=rounded)
    np.testing.assert_allclose(got, first, rtol=1e-5)
    np.testing.assert_allclose(change, second - first, atol=1e-4)
    assert (colour.luma_and_change(image, image, rounded=rounded)[1] == 0).all()


def test_rounded_luma_is_whole_and_has_the_gradient_of_the_exact_one(image):
    plane = jax.jit(colour.luma)(image)
    np.testing.assert_array_equal(plane, np.round(plane))
    slopes = [
        jax.grad(lambda i, r=rounded: colour.luma(i, rounded=r).sum())(jnp.asarray(image))
        for rounded in (True, False)
    ]
    np.testing.assert_array_equal(*slopes)


def test_lab_is_that_of_an_independent_library(image):
    # scikit-image with the same matrix, and the white of D50 in the place of D65's.
    xyz = color.rgb2xyz(np.float64(image))
    expected = color.xyz2lab(xyz * np.array([0.95047, 1, 1.08883]) / [0.9642, 1.0, 0.8251])
    got = np.moveaxis(colour.lab_d50(np.moveaxis(image, -1, 0)), 0, -1)
    np.testing.assert_allclose(got, expected, atol=0.05)
