import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gsn_jax.metrics.order_statistics import median


@pytest.mark.parametrize("shape", [(2, 7, 9), (2, 6, 8), (1, 1, 1), (1, 1, 2)])
@pytest.mark.parametrize("levels", [3, 10**6])
def test_median_with_and_without_ties(shape, levels):
    random = np.random.default_rng(sum(shape))
    values = (random.integers(0, levels, shape) / 7).astype(np.float32)
    np.testing.assert_array_equal(median(jnp.asarray(values)), np.median(values, axis=(-2, -1)))


@pytest.mark.slow
def test_gradient_goes_to_the_middle():
    slope = jax.grad(lambda plane: median(plane).sum())(jnp.array([[4.0, 1.0], [3.0, 9.0]]))
    np.testing.assert_allclose(slope, [[0.5, 0], [0.5, 0]])
