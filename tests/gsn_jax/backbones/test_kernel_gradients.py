import jax
import jax.extend.core
import jax.numpy as jnp
import numpy as np
import pytest

from gsn_jax.backbones import convolution
from gsn_jax.backbones.kernel_gradients import convolve, convolve_strided
from gsn_jax.layers import convolve as plain


def example(size, count, shape, channels, outputs):
    rng = np.random.default_rng(size * count)
    features = rng.standard_normal((count, *shape, channels)).astype(np.float32)
    kernel = rng.standard_normal((size, size, channels, outputs)).astype(np.float32)
    gradient = rng.standard_normal((count, *shape, outputs)).astype(np.float32)
    return features, kernel, gradient


def kernel_gradient(features, gradient, size):
    """The definition: tap (i, j) sees the features shifted by it; float64."""
    border = size // 2
    _, height, width, _ = features.shape
    around = ((0, 0), (border, border), (border, border), (0, 0))
    padded = np.pad(features.astype(np.float64), around)
    taps = [
        np.einsum("nhwc,nhwk->ck", padded[:, i : i + height, j : j + width], gradient)
        for i in range(size)
        for j in range(size)
    ]
    return np.reshape(taps, (size, size, *taps[0].shape))


@pytest.mark.parametrize("size", [3, 5])
@pytest.mark.parametrize("count", [1, 6, 8])  # 6 leave a remainder of any power of two above 2
@pytest.mark.parametrize("shape", [(9, 7), (1, 2), (200, 300)])  # the last exceeds the cache
def test_kernel_gradient_is_the_definitions(size, count, shape):
    features, kernel, gradient = example(size, count, shape, 3, 4)
    _, pull_back = jax.vjp(jax.jit(convolve), features, kernel)
    expected = kernel_gradient(features, gradient, size)
    result = pull_back(gradient)[1]
    assert np.abs(result - expected).max() < 1e-5 * np.abs(expected).max()


def test_gradient_of_features_is_that_of_the_plain_convolution():
    features, kernel, gradient = example(3, 2, (6, 5), 3, 4)
    expected = jax.vjp(lambda x: plain(x, kernel), features)[1](gradient)[0]
    np.testing.assert_array_equal(jax.vjp(convolve, features, kernel)[1](gradient)[0], expected)


@pytest.mark.slow
@pytest.mark.parametrize(("channels", "outputs"), [(2, 1), (1, 2), (1, 1)])
def test_few_channels_give_the_definitions_values_and_gradients(channels, outputs):
    features, kernel, gradient = example(7, 4, (9, 6), channels, outputs)
    wide = [np.float64(array) for array in (features, kernel)]
    padded = np.pad(wide[0], ((0, 0), (3, 3), (3, 3), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (7, 7), axis=(1, 2))
    around = np.pad(gradient, ((0, 0), (3, 3), (3, 3), (0, 0)))
    adjoint = np.lib.stride_tricks.sliding_window_view(around, (7, 7), axis=(1, 2))
    values, pull_back = jax.vjp(jax.jit(convolve), features, kernel)
    of_features, of_kernel = pull_back(gradient)
    for result, expected in (
        (values, np.einsum("nhwcij,ijck->nhwk", windows, wide[1])),
        (of_features, np.einsum("nhwkij,ijck->nhwc", adjoint, wide[1][::-1, ::-1])),
        (of_kernel, kernel_gradient(features, gradient, 7)),
    ):
        assert np.abs(result - expected).max() < 1e-5 * np.abs(expected).max()


@pytest.mark.slow
@pytest.mark.parametrize(("size", "stride"), [(11, 4), (5, 2), (9, 4), (3, 1)])
@pytest.mark.parametrize("shape", [(31, 24), (12, 13)])
def test_strided_windows_give_the_definitions_values_and_gradients(size, stride, shape):
    rng = np.random.default_rng(size)
    features = rng.standard_normal((2, *shape, 3))
    kernel = rng.standard_normal((size, size, 3, 4))
    windows = np.lib.stride_tricks.sliding_window_view(features, (size, size), axis=(1, 2))
    windows = windows[:, ::stride, ::stride]
    expected = np.einsum("nhwcij,ijck->nhwk", windows, kernel)
    gradient = rng.standard_normal(expected.shape)
    of_features = np.zeros_like(features)
    for row, column in np.ndindex(expected.shape[1:3]):
        place = np.s_[:, row * stride :, column * stride :]
        part = np.einsum("nk,ijck->nijc", gradient[:, row, column], kernel)
        of_features[place][:, :size, :size] += part
    values, pull_back = jax.vjp(
        lambda x, w: convolve_strided(x, w, stride), np.float32(features), np.float32(kernel)
    )
    results = (values, *pull_back(np.float32(gradient)))
    of_kernel = np.einsum("nhwcij,nhwk->ijck", windows, gradient)
    for result, truth in zip(results, (expected, of_features, of_kernel), strict=True):
        assert np.abs(result - truth).max() < 1e-5 * np.abs(truth).max()


def test_a_step_on_one_device_takes_it_for_alexnets_stem():
    images = np.float32(np.random.default_rng(0).random((1, 31, 35, 3)))
    kernel = np.ones((11, 11, 3, 2), np.float32)

    def stem(kernel):
        options = {"dimension_numbers": ("NHWC", "HWIO", "NHWC")}
        return convolution.conv_general_dilated(images, kernel, (4, 4), [(0, 0)] * 2, **options)

    expected = stem(kernel)
    with convolution.training(one_device=True):
        program = jax.make_jaxpr(stem)(kernel)
    assert "48,2" in str(program)  # 4 x 4 pixels of three colours
    result = jax.jit(jax.extend.core.jaxpr_as_fun(program))(kernel)[0]
    np.testing.assert_allclose(result, expected, rtol=1e-5)


@pytest.mark.slow
def test_bfloat16_keeps_its_type_and_sums_in_float32():
    features, kernel, gradient = (
        jnp.asarray(array, jnp.bfloat16) for array in example(3, 8, (40, 40), 3, 4)
    )
    result = jax.vjp(convolve, features, kernel)[1](gradient)[1]
    expected = kernel_gradient(np.float64(features), np.float64(gradient), 3)
    assert result.dtype == jnp.bfloat16
    # One rounding; 12 800 summands added in bfloat16 would be lost in it.
    assert np.abs(np.float64(result) - expected).max() < 2**-8 * np.abs(expected).max()
