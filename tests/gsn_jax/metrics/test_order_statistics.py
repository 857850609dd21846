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


@pytest.mark.parametrize("count", [1, 2, 9, 10])
def test_infinite_values_beyond_the_count_are_left_out(count):
    values = np.random.default_rng(count).random(12, np.float32)
    values[count:] = np.inf
    plane = np.random.default_rng(0).permutation(values).reshape(3, 4)
    result = jax.jit(median)(jnp.asarray(plane), np.int32(count))
    np.testing.assert_array_equal(result, np.median(values[:count]))


@pytest.mark.slow
def test_gradient_goes_to_the_middle():
    slope = jax.grad(lambda plane: median(plane).sum())(jnp.array([[4.0, 1.0], [3.0, 9.0]]))
    np.testing.assert_allclose(slope, [[0.5, 0], [0.5, 0]])
