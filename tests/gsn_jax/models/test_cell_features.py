"""Features and errors of cells against their definitions in NumPy, float64."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gsn_jax.backbones.resampling import reduce_to
from gsn_jax.heads import similarity_error
from gsn_jax.models import cell_features


@pytest.fixture
def features(rng):
    """Two rectified feature maps with silent positions, (2, 8, 12, 5)."""
    a, b = np.maximum(rng.normal(size=(2, 2, 8, 12, 5)), 0)
    a[0, :2], b[0, :2, 4] = 0, 0
    return a, b


def unit(x):
    norm = np.sqrt((x**2).mean(axis=-1, keepdims=True))
    return np.divide(x, norm, out=np.zeros_like(x), where=norm > 0)


def test_channels_get_a_unit_root_mean_square(features):
    got = cell_features.normalise_channels(jnp.float32(features[0]))
    np.testing.assert_allclose(got, unit(features[0]), rtol=1e-5, atol=1e-6)


def cells(x):
    return x.reshape(2, 4, 2, 6, 2, 5).mean(axis=(2, 4))


def test_features_and_errors_are_averaged_over_cells(features):
    a, b = features
    average = functools.partial(reduce_to, stride=8, target=16)
    level = cell_features.level_features(jnp.float32(a), jnp.float32(b), average)
    np.testing.assert_allclose(level.reference, cells(unit(a)), atol=1e-5)
    np.testing.assert_allclose(level.distorted, cells(unit(b)), atol=1e-5)
    similarity = (a - b) ** 2 / (a**2 + b**2 + cell_features.SIMILARITY_FLOOR)
    errors = [cells((unit(a) - unit(b)) ** 2), cells(similarity)]
    np.testing.assert_allclose(level.errors, np.concatenate(errors, axis=-1), atol=1e-5)


def test_levels_are_stored_one_after_the_other(rng):
    levels = [
        cell_features.LevelFeatures(
            *(jnp.float32(rng.normal(size=(1, 2, 3, n))) for n in (c, c, 2 * c))
        )
        for c in (3, 5)
    ]
    again = cell_features.split_levels(cell_features.join_levels(levels), (3, 5))
    jax.tree.map(np.testing.assert_array_equal, again, levels)


def normalised(a, b):
    first, second = (cell_features.normalise_channels(x) for x in (a, b))
    return (first - second) ** 2


@pytest.mark.parametrize("compare", [normalised, lambda a, b: similarity_error(a, b, 0.05)])
def test_equal_features_have_no_error_and_finite_gradients(features, compare):
    a, b = map(jnp.float32, features)
    np.testing.assert_allclose(jax.jit(compare)(a, a), 0, atol=1e-9)
    np.testing.assert_allclose(compare(a, b), compare(b, a), rtol=1e-6)
    gradient = jax.grad(lambda x: compare(a, x).sum())
    assert np.isfinite(gradient(a)).all()
    assert np.isfinite(gradient(jnp.zeros_like(a))).all()
