"""SR-SIM against piq 0.8.0: `piq.srsim(distorted, reference)` in float64 on `metric_pairs.py`."""

import jax
import jax.numpy as jnp
import metric_pairs
import numpy as np
import pytest
from PIL import Image

from gsn_jax import metrics
from gsn_jax.metrics import resizing

PAIRS = metric_pairs.pairs()
EXPECTED = {
    "noise": 0.9552820053839626,
    "blocks": 0.9407797460498059,
    "contrast": 0.9926665653246057,
    "gray": 0.9797050886206038,
    "saturated": 0.9720525755036956,
}


@pytest.fixture(scope="module")
def score():
    return jax.jit(metrics.sr_sim)


@pytest.mark.parametrize("name", EXPECTED)
def test_other_implementation(name, score):
    got = score(*metric_pairs.floats(PAIRS[name]))
    np.testing.assert_allclose(got, EXPECTED[name], atol=1e-5)


def test_equal_images_lose_exactly_nothing(score):
    image, _ = metric_pairs.floats(PAIRS["noise"])
    assert float(score(image, image)) == 1


@pytest.mark.slow
def test_bicubic_reduction_is_pillows_inside_the_image():
    plane = np.float32(PAIRS["noise"][0][:, :, 1])
    expected = np.asarray(Image.fromarray(plane).resize((48, 44), Image.Resampling.BICUBIC))
    rows, columns = (
        resizing.matrix(
            jnp.arange(side // 4, dtype=jnp.int32),
            side,
            side,
            1,
            jnp.float32,
            source=4,
            kernel=resizing.cubic,
        )
        for side in plane.shape
    )
    got = rows @ plane @ columns.T
    np.testing.assert_allclose(got[3:-3, 3:-3], expected[3:-3, 3:-3], atol=2e-3)
