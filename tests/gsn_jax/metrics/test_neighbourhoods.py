"""Eigenvalues of nearly dependent vectors keep the precision of float32."""

import jax
import numpy as np

from gsn_jax.metrics import neighbourhoods


@jax.jit
def described(vectors):
    axes = neighbourhoods.principal_axes(neighbourhoods.second_moments(vectors))
    turned = neighbourhoods.turned(vectors, axes)
    values, inverse = neighbourhoods.spectrum(neighbourhoods.second_moments(turned))
    return values, neighbourhoods.multipliers(turned, inverse)


def test_small_eigenvalues_are_exact():
    rng = np.random.default_rng(0)
    turn = np.linalg.qr(rng.normal(size=(9, 9)))[0]
    scale = np.geomspace(1, 2e-3, 9)  # eigenvalues differ by a factor of 250000
    vectors = np.float32(np.einsum("ij,j,jhw->ihw", turn, scale, rng.normal(size=(9, 60, 70))))
    values, multipliers = described(vectors)
    flat = np.float64(vectors).reshape(9, -1)
    moments = flat @ flat.T / flat.shape[1]
    np.testing.assert_allclose(np.sort(values), np.linalg.eigvalsh(moments), rtol=1e-5)
    expected = (flat * np.linalg.solve(moments, flat)).sum(0).reshape(60, 70) / 9
    np.testing.assert_allclose(multipliers, expected, rtol=2e-3)
    np.testing.assert_allclose(np.mean(multipliers), 1, rtol=1e-6)


def test_nothing_gives_zeros():
    values, multipliers = described(np.zeros((9, 4, 5), np.float32))
    assert not np.any(values)
    assert not np.any(multipliers)
