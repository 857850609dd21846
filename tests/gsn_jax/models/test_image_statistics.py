"""Errors of texture and structure against DISTS's similarities in NumPy, float64."""

import jax
import jax.numpy as jnp
import numpy as np

from gsn_jax.models import image_statistics


def errors(a, b):
    """Of the whole image, from moments with equal weights."""
    even = jnp.full(a.shape[:3], 1 / (a.shape[1] * a.shape[2]))
    means = image_statistics.moment_sums([(jnp.float32(a), jnp.float32(b))], [even])
    return image_statistics.texture_and_structure_errors(means)


def test_structure_is_that_of_dists_in_the_whole_image(rng):
    """Means, variances and covariance of every channel over all positions, in float64."""
    a, b = rng.normal(size=(2, 1, 8, 8, 3)) + 0.5
    got = errors(a, b)[0]
    a, b = (x.reshape(-1, 3) for x in (a, b))
    covariance = ((a - a.mean(0)) * (b - b.mean(0))).mean(0)
    texture = 2 * a.mean(0) * b.mean(0) / (a.mean(0) ** 2 + b.mean(0) ** 2)
    structure = 2 * covariance / (a.var(0) + b.var(0))
    np.testing.assert_allclose(got, 1 - np.concatenate([texture, structure]), rtol=1e-4)
    assert (got >= 0).all()
    assert (got <= 2).all()


def test_equal_images_have_no_error_and_finite_gradients(rng):
    a = jnp.float32(np.maximum(rng.normal(size=(2, 6, 7, 4)), 0))
    np.testing.assert_array_equal(errors(a, a), 0)
    gradient = jax.grad(lambda x: errors(a, x).sum())
    assert np.isfinite(gradient(a)).all()
    assert np.isfinite(gradient(jnp.zeros_like(a))).all()


def test_moments_of_parts_add_up(rng):
    a, b = jnp.float32(rng.normal(size=(2, 1, 8, 6, 3)))
    weights = jnp.float32(rng.uniform(size=(1, 8, 6)))
    top = weights.at[:, 4:].set(0)
    whole, first, second = (
        image_statistics.moment_sums([(a, b)], [w]) for w in (weights, top, weights - top)
    )
    np.testing.assert_allclose(first + second, whole, rtol=1e-5, atol=1e-5)
