import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gsn_jax.metrics import similarity

quick = settings(max_examples=30, derandomize=True, deadline=None, database=None)
values = st.floats(-255, 255, width=32, allow_subnormal=False)
changes = st.one_of(values, st.floats(-(2**-10), 2**-10, width=32, allow_subnormal=False))


def alike(x, y, constant, masking=0.0):
    """The similarity as the papers write it, of magnitudes x and y, float64."""
    return ((2 - masking) * x * y + constant) / (x * x + y * y - masking * x * y + constant)


@quick
@given(values, changes)
def test_dissimilarity_is_one_minus_the_similarity(x, change):
    x, change = np.float32(x), np.float32(change)
    exact = np.float64(x), np.float64(x) + np.float64(change)
    got = similarity.dissimilarity(x, change, 30.0)
    np.testing.assert_allclose(got, 1 - alike(*exact, 30), rtol=1e-5, atol=1e-12)
    got = similarity.magnitude_dissimilarity(x, change, 30.0)
    np.testing.assert_allclose(got, 1 - alike(*np.abs(exact), 30), rtol=1e-5, atol=1e-9)


@quick
@given(values, changes)
def test_magnitude_change(x, change):
    x, change = np.float32(x), np.float32(change)
    expected = np.abs(np.float64(x) + np.float64(change)) - np.abs(np.float64(x))
    # Where the sign changes, the sum is rounded on the scale of x.
    np.testing.assert_allclose(
        similarity.magnitude_change(x, change), expected, rtol=1e-5, atol=1e-7 * abs(float(x))
    )


@pytest.mark.parametrize("masking", [0, 0.5])
@quick
@given(st.tuples(values, values), st.tuples(changes, changes))
def test_length_dissimilarity(masking, vector, change):
    vector, change = np.float32(vector), np.float32(change)
    lengths = np.hypot(*np.float64(vector)), np.hypot(*(np.float64(vector) + change))
    got = similarity.length_dissimilarity(list(vector), list(change), 140.0, masking)
    np.testing.assert_allclose(got, 1 - alike(*lengths, 140, masking), rtol=1e-4, atol=1e-9)


def test_equal_values_are_exactly_alike_with_zero_gradient():
    x, zero = jnp.array([0.0, 1e-20, 3.0, -7.5]), jnp.zeros(4)
    for function in (
        lambda change: similarity.dissimilarity(x, change, 30.0),
        lambda change: similarity.magnitude_dissimilarity(x, change, 30.0),
        lambda change: similarity.length_dissimilarity([x, x], [change, change], 30.0),
    ):
        assert (function(zero) == 0).all()
        assert (jax.grad(lambda change, f=function: f(change).sum())(zero) == 0).all()


def test_gradients_are_differences_with_zeros_outside():
    plane = np.zeros((4, 5), np.float32)
    plane[1, 2] = 1
    vertical, horizontal = similarity.gradients(jnp.asarray(plane), similarity.PREWITT)
    expected = np.zeros((4, 5))
    expected[0, 1:4], expected[2, 1:4] = -1 / 3, 1 / 3
    np.testing.assert_allclose(vertical, expected, rtol=1e-6)
    expected = np.zeros((4, 5))
    expected[:3, 1], expected[:3, 3] = -1 / 3, 1 / 3
    np.testing.assert_allclose(horizontal, expected, rtol=1e-6)


@pytest.mark.parametrize("unbiased", [True, False])
def test_deviation_is_the_standard_deviation(unbiased, rng):
    plane = rng.random((3, 6, 7)).astype(np.float32)
    expected = np.std(np.float64(plane), axis=(-2, -1), ddof=int(unbiased))
    got = similarity.deviation(jnp.asarray(plane), unbiased=unbiased)
    np.testing.assert_allclose(got, expected, rtol=1e-5)
    slope = jax.grad(lambda p: similarity.deviation(p, unbiased=unbiased))(jnp.ones((4, 4)))
    assert (slope == 0).all()
