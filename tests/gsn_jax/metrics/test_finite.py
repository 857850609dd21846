import jax
import jax.numpy as jnp
import numpy as np

from gsn_jax.metrics import finite

VALUES = jnp.array([-2.0, 0.0, 1e-30, 4.0])


def test_values_are_those_of_clipped_arguments():
    clipped = np.maximum(np.float64(VALUES), 0)
    np.testing.assert_allclose(finite.sqrt(VALUES), np.sqrt(clipped), rtol=1e-6)
    np.testing.assert_allclose(finite.power(VALUES, 0.25), clipped**0.25, rtol=1e-5)
    quotient = finite.divide(VALUES, jnp.array([2.0, 0.0, 1e-30, 0.0]), 7.0)
    np.testing.assert_allclose(quotient, [-1, 7, 1, 7], rtol=1e-6)


def test_gradients_are_finite():
    for function in (finite.sqrt, lambda x: finite.power(x, 0.25)):
        slope = jax.grad(lambda x, f=function: f(x).sum())(VALUES)
        assert np.isfinite(slope).all()
        assert (slope[:2] == 0).all()
    slopes = jax.grad(lambda x, y: finite.divide(x, y, 1.0), (0, 1))(0.0, 0.0)
    assert slopes == (0, 0)
