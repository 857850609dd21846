import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gsn_jax.metrics import reductions


@pytest.fixture
def planes(rng):
    return (255 * rng.random((2, 7, 9))).astype(np.float32)


def test_sums_and_means(planes):
    np.testing.assert_allclose(reductions.total(planes), planes.sum((1, 2)), rtol=1e-6)
    np.testing.assert_allclose(reductions.mean(planes), planes.mean((1, 2)), rtol=1e-6)
    np.testing.assert_allclose(reductions.add(planes), planes.sum(0), rtol=1e-6)
    centred = planes - planes.mean((1, 2), keepdims=True)
    np.testing.assert_allclose(reductions.centred(planes), centred, atol=1e-4)
    np.testing.assert_allclose(reductions.without_offset(planes), centred, atol=1e-4)


def test_weighted_mean(planes):
    weights = np.stack([planes[1], np.zeros_like(planes[1])])
    expected = [np.average(planes[0], weights=planes[1]), 0]
    np.testing.assert_allclose(reductions.weighted_mean(planes, weights), expected, rtol=1e-5)


@pytest.mark.parametrize("level", [0.0, 1 / 3, 200.7, 255.0])
def test_nothing_is_left_of_a_flat_plane(level):
    flat = jnp.full((37, 41), level)
    assert (reductions.middle(flat) == flat[0, 0]).all()
    assert (reductions.without_offset(flat) == 0).all()


def test_the_middle_has_no_gradient(planes):
    slope = jax.grad(lambda p: (p - reductions.middle(p)).sum())(jnp.asarray(planes))
    assert (slope == 1).all()
