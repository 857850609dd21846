import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gsn_jax.images.size_classes import Extent
from gsn_jax.metrics import folded_fourier


def fold(plane, sizes, shape):
    """The array `(2, 2, i, j)` of a plane: entries k and -k of both axes, with zeros elsewhere."""
    rows, columns = (
        np.stack([sign * np.arange(length // 2 + 1) for sign in (1, -1)]) for length in shape
    )
    held = (2 * abs(rows) <= sizes[0])[:, None, :, None] & (2 * abs(columns) <= sizes[1])[
        None, :, None, :
    ]
    folded = plane[rows[:, None, :, None] % sizes[0], columns[None, :, None, :] % sizes[1]]
    return np.where(held, folded, 0)


def run(plane, bank, shape):
    """The filtered planes `(n, h, w)` from an array of that shape, by a compiled program."""
    sizes = plane.shape
    array = np.random.default_rng(1).random(shape, np.float32)
    array[: sizes[0], : sizes[1]] = plane
    folded = np.stack([fold(transfer, sizes, shape) for transfer in bank], -2)

    def program(array, folded, extent):
        rows, columns = (
            folded_fourier.axis(length, size, array.dtype)
            for length, size in zip(shape, extent, strict=True)
        )
        spectrum = folded_fourier.spectrum(array, rows, columns)
        parts = folded_fourier.filtered(spectrum, folded, rows, columns)
        return [
            jnp.stack(
                [
                    folded_fourier.unfolded(part[..., n, :], shape, extent)
                    for n in range(folded.shape[-2])
                ]
            )
            for part in parts
        ]

    extent = Extent(*map(np.int32, sizes))
    real, imaginary = jax.jit(program)(array, np.float32(folded), extent)
    return (np.asarray(real) + 1j * np.asarray(imaginary))[:, : sizes[0], : sizes[1]]


@pytest.mark.parametrize("size", [(12, 17), (13, 8), (1, 2), (20, 21)])
def test_filtering_is_that_of_an_fft(size):
    """With transfer functions that are not symmetric, of even, odd and full sizes."""
    rng = np.random.default_rng(sum(size))
    plane, bank = rng.random(size, np.float32), rng.random((3, *size), np.float32)
    expected = np.fft.ifft2(np.fft.fft2(np.float64(plane)) * bank)
    np.testing.assert_allclose(run(plane, bank, (20, 21)), expected, atol=2e-6)


@pytest.mark.parametrize("size", [(12, 17), (13, 8), (1, 2), (20, 21)])
def test_every_sample_is_held_once(size):
    rows, columns = (
        folded_fourier.axis(length, side, jnp.float32)
        for length, side in zip((20, 21), size, strict=True)
    )
    held = np.asarray(folded_fourier.samples(rows, columns))
    places = fold(np.arange(size[0] * size[1]).reshape(size), size, (20, 21))
    assert sorted(places[held]) == list(range(size[0] * size[1]))
