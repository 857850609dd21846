import jax.numpy as jnp
import numpy as np
import pytest
from closeness import assert_close
from scipy import ndimage, signal

from gsn_jax.metric import MapGrid
from gsn_jax.metrics import filters


@pytest.fixture
def plane(rng):
    return rng.random((9, 12)).astype(np.float32)


def test_separable_correlation(plane):
    rows, columns = (0.5, -1.0, 0.25), (1.0, 0.0, 2.0, 3.0)
    expected = signal.correlate2d(plane, np.outer(rows, columns), mode="valid")
    got = filters.correlate_separable(jnp.asarray(plane), rows, columns)
    assert_close(got, expected)


def test_taps():
    impulse = np.zeros(11)
    impulse[5] = 1
    expected = ndimage.gaussian_filter1d(impulse, 1.5, radius=5)
    np.testing.assert_allclose(filters.gaussian_taps(11, 1.5), expected, rtol=1e-6)
    np.testing.assert_allclose(filters.box_taps(3), [1 / 3] * 3)


@pytest.mark.parametrize(
    ("factor", "shape"), [(1, (9, 12)), (2, (8, 12)), (2, (9, 11)), (3, (9, 11))]
)
@pytest.mark.parametrize("mode", ["constant", "symmetric"])
def test_box_downsampling(factor, shape, mode, rng):
    plane = rng.random(shape).astype(np.float32)
    padded = np.pad(plane, ((factor - 1) // 2, factor // 2), mode=mode)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (factor, factor))
    expected = windows[::factor, ::factor].mean((-2, -1))
    got = filters.box_downsample(jnp.asarray(plane), factor, mode)
    np.testing.assert_allclose(got, expected, rtol=1e-5)


@pytest.mark.parametrize(("size", "factor"), [((100, 900), 1), ((384, 512), 2), ((640, 641), 3)])
def test_viewing_factor(size, factor):
    assert filters.viewing_factor(*size) == factor
    assert filters.viewing_grid(*size).step == factor


def test_halved_grid_lies_between_two_pixels():
    assert filters.halved_grid(8, 8) == MapGrid(2, 0.5)


def test_a_transfer_function_scales_the_spectrum(plane):
    spectrum, transfer = np.fft.fft2(plane).astype(np.complex64), plane[::-1]
    got = filters.apply_transfer(jnp.asarray(spectrum), jnp.asarray(transfer))
    np.testing.assert_allclose(got, spectrum * transfer, rtol=1e-5)
