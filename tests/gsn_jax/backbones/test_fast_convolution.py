import jax
import jax.numpy as jnp
import numpy as np
import pytest
from closeness import assert_close

from gsn_jax.backbones.fast_convolution import convolve, tap_products, tap_sums, toom_cook


def definition(features, kernel):
    """The sum over taps of shifted features, float64."""
    size, border = kernel.shape[0], kernel.shape[0] // 2
    _, height, width, _ = features.shape
    around = ((0, 0), (border, border), (border, border), (0, 0))
    padded = np.pad(features.astype(np.float64), around)
    return sum(
        padded[:, i : i + height, j : j + width] @ kernel[i, j].astype(np.float64)
        for i in range(size)
        for j in range(size)
    )


def example(size, shape, channels=4):
    rng = np.random.default_rng(size)
    features = rng.standard_normal((2, *shape, channels)).astype(np.float32)
    return features, rng.standard_normal((size, size, channels, 3)).astype(np.float32)


@pytest.mark.parametrize("size", [3, 5])
@pytest.mark.parametrize("shape", [(9, 7), (4, 4), (1, 2)])
def test_equals_the_definition(size, shape):
    features, kernel = example(size, shape)
    expected = definition(features, kernel)
    for given in (kernel, jnp.asarray(kernel)):
        for method in (toom_cook, tap_products, tap_sums):
            result = method(features, given)
            assert np.abs(result - expected).max() < 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize(
    ("size", "shape", "channels"),
    [(3, (5, 6), 2), (3, (5, 6), 128), (5, (5, 6), 64), (7, (5, 9), 2), (3, (2, 6), 128)],
)
def test_public_call_equals_the_definition(size, shape, channels):
    features, kernel = example(size, shape, channels)
    expected = definition(features, kernel)
    result = jax.jit(convolve)(features, kernel)
    assert np.abs(result - expected).max() < 1e-5 * np.abs(expected).max()


def test_bfloat16_is_not_transformed():
    features, kernel = (np.asarray(a, jnp.bfloat16) for a in example(3, (5, 6), 128))
    expected = definition(features, kernel)
    result = convolve(jnp.asarray(features), jnp.asarray(kernel))
    assert result.dtype == jnp.bfloat16
    # One rounding of the result; the transform's roundings would be some ten times larger.
    assert np.abs(result.astype(np.float32) - expected).max() < 2**-8 * np.abs(expected).max()


def test_bfloat16_taps_are_summed_in_float32():
    features, kernel = (np.asarray(a, jnp.bfloat16) for a in example(5, (9, 7), 2))
    result = tap_sums(jnp.asarray(features), jnp.asarray(kernel))
    expected = definition(features, kernel)
    assert result.dtype == jnp.bfloat16
    assert np.all(np.abs(np.float64(result) - expected) <= 2**-8 * np.abs(expected) + 1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("method", [toom_cook, tap_products, tap_sums])
def test_gradient_is_the_definitions(method):
    features, kernel = example(3, (6, 5))
    weights = np.random.default_rng(9).standard_normal((2, 6, 5, 3)).astype(np.float32)
    gradient = jax.jit(jax.grad(lambda x: (method(x, kernel) * weights).sum()))(features)
    # The adjoint of a convolution is the convolution with the flipped, transposed kernel.
    expected = definition(weights, kernel[::-1, ::-1].swapaxes(2, 3))
    assert_close(gradient, expected)
