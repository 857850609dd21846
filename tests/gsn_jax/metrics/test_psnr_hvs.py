"""PSNR-HVS and PSNR-HVS-M against the package `psnr-hvsm` 0.3.0 of PyPI.

Expected values by `psnr_hvs_hvsm(bt601ycbcr(reference)[0], bt601ycbcr(distorted)[0])` on the pairs
of `metric_pairs.py`; the package reproduces the values published with TID2013.
"""

import jax
import jax.numpy as jnp
import metric_pairs
import numpy as np
import pytest

from gsn_jax import metrics

PAIRS = metric_pairs.pairs()
EXPECTED = {
    "noise": (31.33588329631269, 35.27452365024811),
    "blocks": (24.375961204556127, 25.37283110607825),
    "contrast": (22.53325290378976, 22.90772907495014),
    "gray": (35.60796496523815, 40.85770052063288),
    "saturated": (31.98928473369947, 32.86957854790178),
}


@pytest.fixture(scope="module")
def scores():
    return jax.jit(lambda x, y: (metrics.psnr_hvs(x, y), metrics.psnr_hvs_m(x, y)))


@pytest.mark.parametrize("name", EXPECTED)
def test_other_implementation(name, scores):
    got = scores(*metric_pairs.floats(PAIRS[name]))
    np.testing.assert_allclose(got, EXPECTED[name], atol=2e-4)


def test_samples_beyond_the_last_whole_block_do_not_count(scores):
    reference, distorted = metric_pairs.floats(PAIRS["noise"])
    whole = scores(reference[:16, :24], distorted[:16, :24])
    with_rest = scores(reference[:21, :31], distorted[:21, :31])
    np.testing.assert_allclose(with_rest, whole, rtol=1e-6)


def test_map_holds_the_errors_of_the_blocks():
    reference, distorted = metric_pairs.floats(PAIRS["noise"])
    quality = metrics.get("psnr_hvs").quality_map(reference, distorted)
    assert quality.shape == (22, 24)
    expected = 10 * np.log10(255**2 / -np.mean(quality))
    np.testing.assert_allclose(expected, EXPECTED["noise"][0], atol=2e-4)


def test_texture_masks_noise_and_edges_do_not(scores):
    rng = np.random.default_rng(0)
    texture = 0.5 + 0.15 * rng.standard_normal((32, 32, 1)) * jnp.ones(3)
    edge = 0.5 + 0.25 * np.sign(np.arange(32) % 8 - 3.5)[:, None, None] * jnp.ones((32, 3))
    noise = 0.02 * rng.standard_normal((32, 32, 1))
    gain = [np.diff(jnp.stack(scores(image, image + noise)))[0] for image in (texture, edge)]
    assert gain[0] > 2 * gain[1] > 0
