"""Roots against NumPy's in float64, and their slopes."""

import jax
import numpy as np
import pytest

from gsn_jax.metrics.roots import root


@pytest.mark.parametrize("degree", [3, 5])
def test_roots_of_all_magnitudes(degree, rng):
    values = np.exp(rng.uniform(-60, 60, 10000)).astype(np.float32)
    got = np.asarray(jax.jit(root, static_argnums=1)(values, degree), np.float64)
    np.testing.assert_allclose(got, values.astype(np.float64) ** (1 / degree), rtol=2e-7)
    slope = jax.vmap(jax.grad(root), (0, None))(values[:100], degree)
    expected = values[:100].astype(np.float64) ** (1 / degree - 1) / degree
    np.testing.assert_allclose(slope, expected, rtol=1e-6)


def test_float64_stays_float64():
    with jax.enable_x64(True):
        np.testing.assert_allclose(root(np.float64(2), 3), 2 ** (1 / 3), rtol=1e-15)
