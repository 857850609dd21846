import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from gsn_jax.metrics import resizing


@pytest.mark.parametrize("size", [(20, 30), (7, 11), (40, 45), (10, 25)])
def test_it_agrees_with_pillow(size, rng):
    # Pillow antialiases alike; it cuts the kernel at the border where MATLAB mirrors.
    plane = rng.random((20, 25)).astype(np.float32)
    expected = np.asarray(Image.fromarray(plane).resize(size[::-1], Image.Resampling.BILINEAR))
    got = np.asarray(resizing.resize_bilinear(jnp.asarray(plane), *size))
    assert got.shape == size
    np.testing.assert_allclose(got[4:-4, 4:-4], expected[4:-4, 4:-4], atol=1e-5)


@pytest.mark.parametrize(("size", "target"), [(20, 20), (20, 7), (7, 20)])
def test_weights_sum_to_one(size, target):
    np.testing.assert_allclose(resizing.bilinear_matrix(size, target).sum(0), 1)


@pytest.mark.parametrize("kernel", [resizing.linear, resizing.cubic])
def test_samples_beyond_the_image_have_finite_weights(kernel):
    samples = jnp.arange(32, dtype=jnp.int32)
    weights = resizing.matrix(samples, 128, 40, 1, jnp.float32, source=4, kernel=kernel)
    np.testing.assert_allclose(weights[:10].sum(1), 1, rtol=1e-6)
    assert np.abs(weights).max() <= 1
    assert not np.any(weights[:, 40:])
