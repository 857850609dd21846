import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from gsn_jax.metrics.distortion_channel import distortion_channel, information_change

quick = settings(max_examples=40, derandomize=True, deadline=None, database=None)


def channel(x, y):
    """Gain and error variance of the least-squares fit of y by x, float64."""
    covariance = np.mean((x - x.mean()) * (y - y.mean()))
    gain = covariance / x.var()
    return gain, y.var() - gain * covariance


def moments(x, change):
    covariance = np.mean((x - x.mean()) * (change - change.mean()))
    return tuple(jnp.float32(value) for value in (x.var(), change.var(), covariance))


@quick
@given(st.integers(0, 999), st.sampled_from([1e-4, 0.1, 1.0, 50.0]))
def test_it_is_the_least_squares_fit(seed, strength):
    rng = np.random.default_rng(seed)
    x, noise = 30 * rng.standard_normal((2, 40))
    change = strength * (noise / 30 + 0.2 * x)
    gain, error = channel(x, x + change)
    gain_change, got = distortion_channel(*moments(x, change), 1e-6)
    scale = max(1e-3, strength)
    np.testing.assert_allclose(gain_change, gain - 1, rtol=1e-4, atol=1e-5 * scale)
    np.testing.assert_allclose(got, error, rtol=1e-3, atol=1e-5 * change.var())


def test_a_flat_reference_keeps_nothing_unless_nothing_changed():
    variance, change = jnp.zeros(2), jnp.array([0.0, 4.0])
    gain_change, error = distortion_channel(variance, change, jnp.zeros(2), 1e-6)
    np.testing.assert_array_equal(gain_change, [0, -1])
    np.testing.assert_array_equal(error, [0, 4])


def test_covariance_is_limited_by_the_variances():
    gain_change, error = distortion_channel(
        jnp.float32(1e-4), jnp.float32(1e-4), jnp.float32(1.0), 1e-10
    )
    np.testing.assert_allclose(gain_change, 1, rtol=1e-6)
    assert 0 <= error <= 1e-9


@quick
@given(
    st.floats(-3, 3, width=32),
    st.floats(0, 1e4, width=32),
    st.floats(0, 1e6, width=32),
    st.sampled_from([0.4, 2.0]),
)
def test_information_is_that_of_both_channels(gain_change, error, signal, noise):
    gain = max(1 + gain_change, 0)
    expected = np.log1p(gain**2 * signal / (error + noise)) - np.log1p(signal / noise)
    got = information_change(*map(jnp.float32, (gain_change, error, signal)), noise)
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-6)


def test_an_unchanged_signal_keeps_exactly_all_with_a_finite_gradient():
    signal = jnp.array([0.0, 1e-6, 1.0, 1e7])
    zero = jnp.zeros(4)
    assert (information_change(zero, zero, signal, 0.4) == 0).all()
    slopes = jax.grad(lambda g, e: information_change(g, e, signal, 0.4).sum(), (0, 1))(zero, zero)
    assert all(np.isfinite(slope).all() for slope in slopes)
