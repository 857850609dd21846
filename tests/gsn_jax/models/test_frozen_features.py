"""Features and errors of cells, and errors of images, against NumPy definitions in float64."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from closeness import assert_close

from gsn_jax import fusion
from gsn_jax.backbones.resampling import reduce_to
from gsn_jax.fusion import similarity_error
from gsn_jax.models import frozen_features


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
    got = frozen_features.normalise_channels(jnp.float32(features[0]))
    assert_close(got, unit(features[0]))


def cells(x):
    return x.reshape(2, 4, 2, 6, 2, 5).mean(axis=(2, 4))


def test_features_and_errors_are_averaged_over_cells(features):
    a, b = features
    average = functools.partial(reduce_to, stride=8, target=16)
    level = frozen_features.level_features(jnp.float32(a), jnp.float32(b), average)
    assert_close(level.reference, cells(unit(a)))
    assert_close(level.distorted, cells(unit(b)))
    similarity = (a - b) ** 2 / (a**2 + b**2 + frozen_features.SIMILARITY_FLOOR)
    errors = [cells((unit(a) - unit(b)) ** 2), cells(similarity)]
    assert_close(level.errors, np.concatenate(errors, axis=-1))


def test_levels_are_stored_one_after_the_other(rng):
    levels = [
        frozen_features.LevelFeatures(
            *(jnp.float32(rng.normal(size=(1, 2, 3, n))) for n in (c, c, 2 * c))
        )
        for c in (3, 5)
    ]
    again = frozen_features.split_levels(frozen_features.join_levels(levels), (3, 5))
    jax.tree.map(np.testing.assert_array_equal, again, levels)


def normalised(a, b):
    first, second = (frozen_features.normalise_channels(x) for x in (a, b))
    return (first - second) ** 2


@pytest.mark.parametrize("compare", [normalised, lambda a, b: similarity_error(a, b, 0.05)])
def test_equal_features_have_no_error_and_finite_gradients(features, compare):
    a, b = map(jnp.float32, features)
    np.testing.assert_allclose(jax.jit(compare)(a, a), 0, atol=1e-9)
    np.testing.assert_allclose(compare(a, b), compare(b, a), rtol=1e-6)
    gradient = jax.grad(lambda x: compare(a, x).sum())
    assert np.isfinite(gradient(a)).all()
    assert np.isfinite(gradient(jnp.zeros_like(a))).all()


def image_errors(a, b):
    """Of the whole image, from moments with equal weights."""
    even = jnp.full(a.shape[:3], 1 / (a.shape[1] * a.shape[2]))
    means = frozen_features.moment_sums([(jnp.float32(a), jnp.float32(b))], [even])
    return fusion.global_errors(jnp.split(means, fusion.MEANS, axis=-1))


def test_structure_is_that_of_dists_in_the_whole_image(rng):
    """Means, variances and covariance of every channel over all positions, in float64."""
    a, b = rng.normal(size=(2, 1, 8, 8, 3)) + 0.5
    got = image_errors(a, b)[0]
    a, b = (x.reshape(-1, 3) for x in (a, b))
    covariance = ((a - a.mean(0)) * (b - b.mean(0))).mean(0)
    texture = 2 * a.mean(0) * b.mean(0) / (a.mean(0) ** 2 + b.mean(0) ** 2)
    structure = 2 * covariance / (a.var(0) + b.var(0))
    np.testing.assert_allclose(got, 1 - np.concatenate([texture, structure]), rtol=1e-4)
    assert (got >= 0).all()
    assert (got <= 2).all()


def test_equal_images_have_no_error_and_finite_gradients(rng):
    a = jnp.float32(np.maximum(rng.normal(size=(2, 6, 7, 4)), 0))
    np.testing.assert_array_equal(image_errors(a, a), 0)
    gradient = jax.grad(lambda x: image_errors(a, x).sum())
    assert np.isfinite(gradient(a)).all()
    assert np.isfinite(gradient(jnp.zeros_like(a))).all()


def test_moments_of_parts_add_up(rng):
    a, b = jnp.float32(rng.normal(size=(2, 1, 8, 6, 3)))
    weights = jnp.float32(rng.uniform(size=(1, 8, 6)))
    top = weights.at[:, 4:].set(0)
    whole, first, second = (
        frozen_features.moment_sums([(a, b)], [w]) for w in (weights, top, weights - top)
    )
    assert_close(first + second, whole)
