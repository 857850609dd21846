import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import vgg_definition

from gsn_jax.errors import InputError
from gsn_jax.images.size_classes import Extent
from gsn_jax.metrics import _dists
from gsn_jax.metrics._dists import DistsWeights, dists


def random_weights():
    """Few channels, so that a definition in NumPy is quick."""
    rng = np.random.default_rng(3)
    convolutions = vgg_definition.random_convolutions(rng)
    channels = [kernel.shape[3] for kernel, _ in convolutions]
    features = 3 + sum(channels[block[-1]] for block in vgg_definition.BLOCKS)
    alpha, beta = rng.random((2, features)).astype(np.float32)
    return DistsWeights(convolutions, alpha, beta)


def definition(reference, distorted, weights):
    """Equations 4-6 of the paper as the authors' code writes them, float64."""
    levels = [
        [f.reshape(-1, f.shape[-1]) for f in vgg_definition.levels(image, weights.convolutions)]
        for image in (reference, distorted)
    ]
    texture, structure = [], []
    for a, b in zip(*levels, strict=True):
        means = a.mean(0), b.mean(0)
        covariance = (a * b).mean(0) - means[0] * means[1]
        texture.append((2 * means[0] * means[1] + 1e-6) / (means[0] ** 2 + means[1] ** 2 + 1e-6))
        structure.append((2 * covariance + 1e-6) / (a.var(0) + b.var(0) + 1e-6))
    total = weights.alpha.sum(dtype=np.float64) + weights.beta.sum(dtype=np.float64)
    similar = weights.alpha @ np.concatenate(texture) + weights.beta @ np.concatenate(structure)
    return 1 - similar / total


@pytest.mark.slow
def test_padded_images_of_many_sizes_equal_the_definition():
    """In one, two and three bands of rows."""
    weights = random_weights()
    program = jax.jit(functools.partial(dists))  # with a cache of its own
    rng = np.random.default_rng(4)
    for height, width in [(1, 1), (2, 5), (31, 45), (113, 48), (150, 37), (160, 48)]:
        reference, distorted = rng.random((2, 160, 48, 3), np.float32)
        distorted[:height, :width] *= 0.1
        distorted[:height, :width] += 0.9 * reference[:height, :width]
        extent = Extent(np.int32(height), np.int32(width))
        score = program(reference, distorted, weights=weights, extent=extent)
        pair = (image[:height, :width] for image in (reference, distorted))
        np.testing.assert_allclose(score, definition(*pair, weights), rtol=1e-5, atol=1e-7)
        assert program(reference, reference, weights=weights, extent=extent) == 0
    assert program._cache_size() == 1


def random_pair(shape, seed=0):
    rng = np.random.default_rng(seed)
    reference = rng.random(shape, np.float32)
    noise = 0.1 * rng.standard_normal(shape).astype(np.float32)
    return reference, np.clip(reference + noise, 0, 1)


SHAPE = (21, 34, 3)
scored = jax.jit(dists)
differentiated = jax.jit(jax.value_and_grad(dists, 1))


@pytest.mark.slow
def test_every_image_of_a_batch_equals_the_definition():
    weights = random_weights()
    (first, second), third = random_pair(SHAPE, 0), random_pair(SHAPE, 1)[1]
    pairs = [(first, second), (second, first), (first, third)]  # symmetric, as defined
    expected = [definition(*pair, weights) for pair in pairs]
    assert min(expected) > 0.01
    references, distorted = (np.stack(images)[None] for images in zip(*pairs, strict=True))
    batch = scored(references, distorted, weights=weights)
    assert batch.shape == (1, 3)
    assert batch.dtype == jnp.float32
    np.testing.assert_allclose(batch[0], expected, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("level", [0.0, 0.5, None])
def test_identical_images_are_best_with_finite_gradient(level):
    image = random_pair((16, 16, 3))[0]
    image = image if level is None else np.full_like(image, level)
    value, gradient = differentiated(image, image, weights=random_weights())
    assert value == 0
    assert np.isfinite(gradient).all()


@pytest.mark.slow
def test_configuration_flags_of_jax():
    pair, weights = random_pair((16, 16, 3)), random_weights()
    with jax.numpy_dtype_promotion("strict"):
        expected = jax.jit(dists)(*pair, weights=weights)
    with jax.enable_x64(True), jax.numpy_dtype_promotion("strict"):
        score = jax.jit(dists)(*np.float64(pair), weights=weights)
    assert score.dtype == jnp.float32
    np.testing.assert_allclose(score, expected, rtol=1e-6)


def test_weights_by_position():
    pair, weights = random_pair((16, 16, 3)), random_weights()
    assert dists(*pair, weights) == dists(*pair, weights=weights) > 0


def test_smallest_image():
    pair = random_pair((1, 1, 3))
    expected = definition(*pair, random_weights())
    np.testing.assert_allclose(scored(*pair, weights=random_weights()), expected, rtol=1e-5)


# DISTS-pytorch 0.1, torch 2.13.0: DISTS()(reference, distorted) of this pair.
PUBLISHED = 0.06946170


@pytest.mark.slow
def test_published_weights_give_the_authors_value():
    try:
        _dists.published_weights()
    except InputError as error:
        pytest.skip(f"weights are not installed: {error}")
    value = _dists.METRICS["dists"](*random_pair((64, 80, 3)))
    np.testing.assert_allclose(value, PUBLISHED, rtol=1e-4)
