"""Halving features, of whole arrays and of padded images."""

import jax.numpy as jnp
import numpy as np
import pytest

from gsn_jax.backbones.resampling import halve


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("size", [(6, 8), (5, 7), (1, 3)])
def test_padding_changes_nothing(rng, dtype, size):
    height, width = size
    features = jnp.asarray(rng.random((1, height, width, 3)), dtype)
    padded = jnp.zeros((1, 8, 10, 3), dtype).at[:, :height, :width].set(features)
    alone, inside = halve(features), halve(padded, jnp.array([size]))
    assert alone.dtype == inside.dtype == dtype
    rows, columns = alone.shape[1:3]
    tolerance = jnp.finfo(dtype).eps  # a sum over one pixel less is divided by 2, not by 4
    np.testing.assert_allclose(
        np.float32(inside[:, :rows, :columns]), np.float32(alone), rtol=float(tolerance)
    )
    assert not inside[:, rows:].any()
    assert not inside[:, :, columns:].any()


def test_bfloat16_is_rounded_once():
    features = jnp.asarray([1, 1.0078125, 1.0078125, 1.0078125], jnp.bfloat16).reshape(1, 2, 2, 1)
    assert halve(features)[0, 0, 0, 0] == jnp.bfloat16(np.float32(features).mean())
    assert halve(features, jnp.array([[2, 2]]))[0, 0, 0, 0] == halve(features)[0, 0, 0, 0]
