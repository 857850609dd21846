"""The networks of the bank: their arithmetic, their file, and that they restore."""

from __future__ import annotations

import importlib.resources

import jax
import numpy as np
import pytest
import scipy.signal
from skimage import data
from skimage.metrics import peak_signal_noise_ratio

from data_pipelines import distortions
from data_pipelines.distortions import networks


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return np.ascontiguousarray(data.astronaut()[40:232, 90:282])


def test_convolution_equals_scipy():
    rng = np.random.default_rng(0)
    planes = rng.normal(size=(2, 9, 11))
    kernel, bias = rng.normal(size=(5, 5, 2, 3)), rng.normal(size=3)
    expected = [
        bias[d]
        + sum(scipy.signal.correlate2d(planes[c], kernel[..., c, d], "valid") for c in range(2))
        for d in range(3)
    ]
    np.testing.assert_allclose(networks.convolve(planes, kernel, bias), expected, atol=1e-12)


def test_repair_equals_the_network_as_jax_computes_it(photo):
    known, network = 0.4, networks.layers("denoising")
    image = photo[:75, :101]  # more than one strip, the last one shorter
    reach = networks.REACH
    values = np.pad(image, ((reach, reach), (reach, reach), (0, 0)), mode="symmetric") / 255
    plane = np.full((*values.shape[:2], 1), known)
    values = np.concatenate([values, plane], axis=-1)[None].astype(np.float32) - 0.5
    for number, (kernel, bias) in enumerate(network):
        values = jax.nn.relu(values) if number else values
        values = bias + jax.lax.conv_general_dilated(
            values, kernel, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
    expected = np.clip(image + 255 * np.asarray(values[0]), 0, 255)
    assert np.abs(networks.repair(image, known, network) - expected).max() <= 0.51


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "strength", "gain"),
    [
        ("upscaling", 2.0, 0.5),
        ("upscaling", 3.0, 0.3),
        ("denoising", 15.0, 3.0),
        ("denoising", 48.0, 5.0),
        ("deblocking", 240.0, 0.15),
        ("deblocking", 1200.0, 0.3),
    ],
)
def test_the_network_is_nearer_to_the_photograph_than_what_it_repairs(photo, kind, strength, gain):
    damaged = networks.DAMAGE[kind](photo, strength, np.random.default_rng(0))
    restored = networks.repair(damaged, networks.condition(kind, strength), networks.layers(kind))
    before = peak_signal_noise_ratio(photo, damaged)
    assert peak_signal_noise_ratio(photo, restored) > before + gain


@pytest.mark.slow
@pytest.mark.parametrize("level", [2, 3, 4, 5])
def test_the_texture_network_is_sharper_and_farther_from_the_photograph(photo, level):
    plain = distortions.apply("upscaling_network", photo, level=level).astype(float)
    texture = distortions.apply("upscaling_texture", photo, level=level).astype(float)
    assert np.abs(np.diff(texture, axis=1)).mean() > 1.1 * np.abs(np.diff(plain, axis=1)).mean()
    assert np.mean((texture - photo) ** 2) > np.mean((plain - photo) ** 2)


def test_conditions_span_what_was_trained_and_stay_there():
    for kind, (low, high) in networks.TRAINED.items():
        assert networks.condition(kind, low) == 0
        assert networks.condition(kind, high) == networks.condition(kind, 2 * high) == 1


def test_weights_are_small_and_are_read_without_pickle():
    file = importlib.resources.files("data_pipelines.distortions") / networks.FILE
    assert len(file.read_bytes()) < 200_000
    for kind in networks.DAMAGE:
        network = networks.layers(kind)
        assert tuple(len(kernel) for kernel, _ in network) == networks.KERNELS
        assert network is networks.layers(kind)  # read once
