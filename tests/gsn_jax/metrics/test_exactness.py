"""Equal images score exactly the optimum, and nearly equal ones what float64 gives.

The reference is `numpy_definitions.py`. For methods that have no definition there, it is version
0.4.1 of this package in float64, where its cancellation does not matter; its values of ordinary
pairs agree with piq and pyiqa (`test_definitions.py`).
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import numpy_definitions as definitions
import pytest
import skimage.data
from hypothesis import example, given, settings
from hypothesis import strategies as st
from large_metrics import marked
from optima import EXACT, OPTIMUM

from gsn_jax import metrics
from gsn_jax.errors import InputError

DEFINED = ("ssim", "ms_ssim", "vifp", "gmsd", "ms_gmsd", "mdsi", "haarpsi", "nlpd")

quick = settings(max_examples=15, derandomize=True, deadline=None, database=None)


@functools.cache
def compiled(name):
    return jax.jit(getattr(metrics, name))


def side_of(name):
    """An odd size near the smallest that the metric takes, and that NLPD's definition takes."""
    return {"nlpd": 32}.get(name, max(metrics.get(name).min_size, 25) + 2)


@pytest.mark.parametrize("name", ["psnr", "psnr_y"])
def test_gradients_of_tiny_errors_are_those_of_the_logarithm(name):
    """Mean squared errors of 1e-18 to 1e-21, whose squares float32 cannot hold."""
    options = {} if name == "psnr" else {"rounded": False}
    reference = jnp.full((64, 64, 3), 0.5).at[3, 5].set(1e-6)
    slope = jax.jit(jax.value_and_grad(functools.partial(getattr(metrics, name), **options), 1))
    for change in (1e-7, 1e-8, 3e-9):
        distorted = reference.at[3, 5].add(change)
        value, gradient = slope(reference, distorted)
        assert np.isfinite(value)
        assert np.isfinite(gradient).all()
        # Decibels fall by 20 / ln(10) times the relative change of the difference; luma is rounded.
        change = np.float64(distorted - reference)
        tolerance = 1e-4 if name == "psnr" else 0.03
        np.testing.assert_allclose(np.vdot(gradient, change), -20 / np.log(10), rtol=tolerance)


KINDS = ("flat", "gray", "dark", "bright", "noise", "16 bits", "halves", "one pixel", "photograph")


def make_image(kind, seed, height, width):
    """A float64 image `(height, width, 3)` in [0, 1], most kinds as stored in 8 bits."""
    rng = np.random.default_rng(seed)
    noise = rng.random((height, width, 3))
    flat = np.ones_like(noise) * rng.integers(0, 256, 3) / 255
    y, x = np.mgrid[:height, :width] / 10
    photograph = (0.5 + 0.3 * np.sin(x + y * y / 9) + 0.1 * np.cos(3 * x))[..., None] * [
        1,
        0.8,
        0.6,
    ]
    photograph = photograph + 0.05 * (noise - 0.5)
    if kind == "16 bits":
        return np.round(65535 * photograph) / 65535
    if kind == "halves":
        flat[:, : width // 2] = rng.integers(0, 256, 3) / 255
    if kind == "one pixel":
        flat[height // 3, width // 2, 1] += -1 / 255 if flat[0, 0, 1] > 0.5 else 1 / 255
    made = {
        "gray": flat[..., :1] * [1, 1, 1],
        "dark": 0.03 * photograph,
        "bright": 1 - 0.03 * photograph,
        "noise": noise,
        "photograph": photograph,
    }
    return np.round(255 * made.get(kind, flat)) / 255


images = st.tuples(st.sampled_from(KINDS), st.integers(0, 999))


@pytest.mark.parametrize("name", marked(EXACT))
def test_equal_images_score_exactly_the_optimum(name):
    side = side_of(name)

    @quick
    @given(images)
    def check(described):
        image = np.float32(make_image(*described, side, 10 * side))
        assert compiled(name)(image, image) == OPTIMUM[name]

    check()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ssim", "haarpsi"])
def test_equal_images_score_the_optimum_without_compilation_too(name):
    image = np.float32(make_image("photograph", 1, 25, 33))
    with jax.disable_jit():
        assert getattr(metrics, name)(image, image) == OPTIMUM[name]


def nearly(image, kind, seed):
    """The image with changes of one level: everywhere, in one channel, at random, at one pixel."""
    rng = np.random.default_rng(seed)
    step = np.where(image > 0.5, -1, 1) / 255
    if kind == "channel":
        step = step * [0, 1, 0]
    elif kind == "random":
        step = step * (rng.random(image.shape) < 0.3)
    elif kind == "pixel":
        keep = np.zeros_like(image)
        keep[tuple(rng.integers(image.shape))] = 1
        step = step * keep
    return image + step


@pytest.mark.parametrize("name", marked(DEFINED))
def test_nearly_equal_images_agree_with_float64(name):
    side = side_of(name)
    width = {"nlpd": side, "ms_ssim": side + 8}.get(name, 10 * side)

    @quick
    @example(("halves", 888), "random")
    @given(images, st.sampled_from(["everywhere", "channel", "random", "pixel"]))
    def check(described, change):
        reference = np.float32(make_image(*described, side, width))
        distorted = np.float32(nearly(np.float64(reference), change, described[1]))
        with np.errstate(divide="ignore", invalid="ignore"):
            expected = getattr(definitions, name)(np.float64(reference), np.float64(distorted))
        if name == "vifp" and np.ptp(definitions.luma(reference)) == 0:
            expected = 1  # no information; the definition is 0 / 0
        np.testing.assert_allclose(compiled(name)(reference, distorted), expected, atol=1e-4)

    check()


# Scores by version 0.4.1 in float64: of a photograph against flat gray, and of flat gray against
# the same with one pixel a level brighter.
FLAT_GOLDENS = {
    "iw_ssim": (0.01937654655859934, 0.9999505387349595),
    "fsim": (0.4173596208539584, 0.9874467887984154),
    "vsi": (0.7516126052089918, 0.9344897186805808),
    "mad": (346.59574478691076, 0.0),
}


@pytest.mark.parametrize("name", marked(FLAT_GOLDENS))
def test_flat_and_nearly_flat_images_agree_with_float64(name):
    photograph = skimage.data.astronaut()[40:216, 140:332] / np.float32(255)
    flat = np.full_like(photograph, 128 / 255)
    pixel = flat.copy()
    pixel[70, 81, 1] += np.float32(1 / 255)
    scores = [compiled(name)(*pair) for pair in ((photograph, flat), (flat, pixel))]
    np.testing.assert_allclose(scores, FLAT_GOLDENS[name], rtol=1e-4, atol=1e-6)


def trace(name, dtype):
    side = metrics.get(name).min_size
    image = jax.ShapeDtypeStruct((side, side + 1, 3), dtype)
    return jax.eval_shape(metrics.get(name).function, image, image)


@pytest.mark.slow
@pytest.mark.parametrize("name", marked(EXACT))
def test_configuration_flags_of_jax(name):
    with jax.numpy_dtype_promotion("strict"):
        assert trace(name, jnp.float32).dtype == jnp.float32
    with jax.enable_x64(True):
        assert trace(name, jnp.float32).dtype == jnp.float32
        assert trace(name, jnp.float64).dtype == jnp.float64
        with jax.numpy_dtype_promotion("strict"):
            trace(name, jnp.float64)


@pytest.mark.slow
@pytest.mark.parametrize("name", marked(["ssim", "mdsi", "haarpsi", "fsim"]))
def test_float64_is_computed_in_float64(name):
    pair = [make_image("photograph", seed, 32, 40) for seed in (0, 1)]
    single = compiled(name)(*np.float32(pair))
    with jax.enable_x64(True):
        double = jax.jit(getattr(metrics, name))(*pair)
    np.testing.assert_allclose(single, double, rtol=1e-5)
    if name in DEFINED:
        np.testing.assert_allclose(double, getattr(definitions, name)(*pair), rtol=1e-9)


def test_psnr_has_no_negative_zero():
    black, white = np.zeros((8, 8, 3), np.float32), np.ones((8, 8, 3), np.float32)
    for name in ("psnr", "psnr_y"):
        score = compiled(name)(black, white)
        assert score == 0
        assert not np.signbit(score)


@pytest.mark.parametrize("name", metrics.names())
def test_integers_are_refused(name):
    image = np.zeros((200, 200, 3), np.uint8)
    if name == "deepiqa":
        weights = {"weights": metrics._module(name).DeepiqaWeights({"params": {}})}
    else:
        weights = {"weights": ()} if name == "pieapp" else {}
    with pytest.raises(InputError, match=rf"{name}: needs floats in \[0, 1\], got uint8"):
        getattr(metrics, name)(image, image, **weights)
