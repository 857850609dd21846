"""Filters of padded planes against NumPy's transform of the planes alone."""

import jax
import numpy as np
import pytest

from gsn_jax.images.size_classes import Extent
from gsn_jax.metrics import spectra

SHAPE = 17, 22


@jax.jit
def filtered(plane, extent):
    """The plane under a filter of no symmetry, and the sum of the filter's squares."""
    spectrum = spectra.folded(plane, extent)
    angular = 1 + 0.7 * spectrum.y + 0.4 * spectrum.x - 0.9 * spectrum.y * spectrum.x
    (response,) = spectrum.filtered([1 / (1 + spectrum.radius())], angular)
    return (
        spectrum.plane(response.real),
        spectrum.plane(response.imag),
        (angular**2 * spectrum.weight).sum(),
        spectrum.inside.sum(),
    )


def frequencies(size):
    return np.fft.ifftshift(np.arange(size) - size // 2) / (size - size % 2 or 1)


@pytest.mark.parametrize("size", [(17, 22), (16, 21), (9, 12), (12, 9), (1, 2)])
def test_a_padded_plane_is_filtered_as_the_plane_alone(size):
    rng = np.random.default_rng(0)
    plane = rng.random(size)
    padded = np.float32(rng.random(SHAPE))
    padded[: size[0], : size[1]] = plane
    real, imaginary, squares, count = filtered(padded, Extent(*map(np.int32, size)))
    y, x = frequencies(size[0])[:, None], frequencies(size[1])
    angular = 1 + 0.7 * y + 0.4 * x - 0.9 * y * x
    expected = np.fft.ifft2(np.fft.fft2(plane) * angular / (1 + np.hypot(y, x)))
    corner = (slice(size[0]), slice(size[1]))
    np.testing.assert_allclose(real[corner], expected.real, atol=1e-6)
    np.testing.assert_allclose(imaginary[corner], expected.imag, atol=1e-6)
    np.testing.assert_allclose(squares, (angular**2).sum(), rtol=1e-5)
    assert count == size[0] * size[1]


def test_whole_planes_have_the_same_frequencies():
    spectrum = spectra.whole(np.zeros(SHAPE, np.float32))
    np.testing.assert_allclose(spectrum.y[:, 0], frequencies(SHAPE[0]), rtol=1e-6)
    np.testing.assert_allclose(spectrum.x, frequencies(SHAPE[1]), rtol=1e-6)
    values = np.random.default_rng(0).random(SHAPE)
    mirrored = spectrum.mirrored(values)
    assert mirrored[3, 5] == np.float32(values[-3, -5])
    assert mirrored[0, 0] == np.float32(values[0, 0])
