"""The comparisons against their definitions in NumPy, float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gsn_jax.models import comparisons


@pytest.fixture
def features(rng):
    """Two rectified feature maps with silent positions, (2, 7, 9, 5)."""
    a, b = np.maximum(rng.normal(size=(2, 2, 7, 9, 5)), 0)
    a[0, :2], b[0, :2, 4] = 0, 0
    return a, b


def windows(x):
    """Means under the 5 x 5 binomial window, its edges repeated: the definition, pixel by pixel."""
    weights = np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1]) / 256
    padded = np.pad(x, ((0, 0), (2, 2), (2, 2), (0, 0)), mode="edge")
    result = np.empty_like(x)
    for row in range(x.shape[1]):
        for column in range(x.shape[2]):
            window = padded[:, row : row + 5, column : column + 5]
            result[:, row, column] = np.einsum("nijc,ij->nc", window, weights)
    return result


def test_channels_get_a_unit_root_mean_square(features):
    x = features[0]
    norm = np.sqrt((x**2).mean(axis=-1, keepdims=True))
    want = np.divide(x, norm, out=np.zeros_like(x), where=norm > 0)
    got = comparisons.normalise_channels(jnp.float32(x))
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)


def test_binomial_mean(features):
    got = comparisons.binomial_mean(jnp.float32(features[0]))
    np.testing.assert_allclose(got, windows(features[0]), atol=1e-6)


def test_similarity_absolute_and_squared(features):
    a, b = features
    floor = np.linspace(0.05, 0.5, 5)
    pair = jnp.float32(a), jnp.float32(b)
    want = (a - b) ** 2 / (a**2 + b**2 + floor)
    np.testing.assert_allclose(comparisons.similarity_error(*pair, floor), want, atol=1e-6)
    np.testing.assert_allclose(comparisons.absolute_error(*pair), np.abs(a - b), atol=1.1e-3)
    np.testing.assert_allclose(comparisons.squared_error(*pair), (a - b) ** 2, atol=1e-6)


def test_structure_is_one_minus_the_similarities_of_dists(features):
    """Against (2 m m + c1) / (m^2 + m^2 + c1) and (2 cov + c2) / (v + v + c2)."""
    a, b = features
    floors = np.linspace(0.1, 0.9, 10)
    means, variances = (windows(a), windows(b)), []
    for x, mean in zip((a, b), means, strict=True):
        variances.append(windows(x**2) - mean**2)
    covariance = windows(a * b) - means[0] * means[1]
    texture = (2 * means[0] * means[1] + floors[:5]) / (means[0] ** 2 + means[1] ** 2 + floors[:5])
    structure = (2 * covariance + floors[5:]) / (sum(variances) + floors[5:])
    want = 1 - np.concatenate([texture, structure], axis=-1)
    got = comparisons.structure_errors(
        jnp.float32(a), jnp.float32(b), jnp.float32(floors), comparisons.binomial_mean
    )
    np.testing.assert_allclose(got, want, atol=1e-5)
    assert (got >= 0).all()
    assert (got <= 2).all()


def structure(a, b):
    return comparisons.structure_errors(a, b, jnp.full(10, 0.05), comparisons.binomial_mean)


def similarity(a, b):
    return comparisons.similarity_error(a, b, jnp.full(5, 0.05))


def normalised(a, b):
    first, second = (comparisons.normalise_channels(x) for x in (a, b))
    return comparisons.squared_error(first, second)


@pytest.mark.parametrize("compare", [structure, similarity, normalised, comparisons.absolute_error])
def test_equal_features_have_no_error_and_finite_gradients(features, compare):
    a, b = map(jnp.float32, features)
    np.testing.assert_allclose(jax.jit(compare)(a, a), 0, atol=1e-9)
    np.testing.assert_allclose(compare(a, b), compare(b, a), rtol=1e-6)
    gradient = jax.grad(lambda x: compare(a, x).sum())
    assert np.isfinite(gradient(a)).all()
    assert np.isfinite(gradient(jnp.zeros_like(a))).all()
