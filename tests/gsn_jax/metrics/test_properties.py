"""What holds for every classical metric."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from large_metrics import marked
from optima import OPTIMUM, TOLERANCE

from gsn_jax import metrics
from gsn_jax.errors import InputError

ASYMMETRIC = {"iw_ssim", "vif", "vifp", "mdsi", "mad", "ssimulacra2", "butteraugli"}
ASYMMETRIC |= {"butteraugli_3norm", "cvvdp", "vmaf", "vmaf_neg"}


@functools.cache
def compiled(name):
    return jax.jit(getattr(metrics, name))


@pytest.fixture(scope="module")
def small(pair):
    """For each metric a pair with odd sides, near the smallest that it takes."""

    def cut(name):
        side = max(metrics.get(name).min_size, 31)
        height, width = side + 4 - side % 2, side + 11 - side % 2
        return tuple(jnp.asarray(image[:height, :width]) for image in pair)

    return cut


@pytest.fixture(scope="module", params=marked(OPTIMUM))
def name(request):
    """Tests of one metric run one after the other, by the same program."""
    return request.param


def test_equal_images_are_best_and_batches_agree(name, small):
    reference, distorted = small(name)
    metric = metrics.get(name)
    # Equal images, a distorted one, and the same reversed, as one batch of shape (1, 3).
    first = jnp.stack([reference, reference, distorted])[None]
    second = jnp.stack([reference, distorted, reference])[None]
    ((equal, score, swapped),) = np.asarray(compiled(name)(first, second))
    np.testing.assert_allclose(equal, OPTIMUM[name], atol=TOLERANCE.get(name, 1e-5))
    low, high = metric.value_range
    assert low <= score <= high
    assert score < equal if metric.higher_is_better else score > equal
    if name not in ASYMMETRIC:
        np.testing.assert_allclose(swapped, score, rtol=1e-5)


# fsimc shares all but two products with fsim, the 3-norm of butteraugli all but the pooling.
@pytest.mark.slow
@pytest.mark.parametrize("name", marked(sorted(OPTIMUM.keys() - {"fsimc", "butteraugli_3norm"})))
def test_gradients(name, small):
    """Finite on equal, flat and black images; otherwise the slope is that of the value."""
    reference, distorted = small(name)
    # Rounding to 8 bits has the gradient of the identity, which no finite difference sees.
    options = {"rounded": False} if name in ROUNDED else {}
    function = functools.partial(getattr(metrics, name), **options)
    slope = jax.jit(jax.value_and_grad(function, argnums=1))
    black, gray = jnp.zeros_like(reference), jnp.full_like(reference, 0.5)
    pixel = gray.at[5, 7, 1].add(1 / 255)
    degenerate = [(reference, reference), (black, black), (gray, gray), (gray, pixel)]
    degenerate += [(reference, gray), (reference, black), (gray, reference), (black, reference)]
    for pair in degenerate:
        assert np.isfinite(slope(*pair)[1]).all()
    gradient = slope(reference, distorted)[1]
    direction = jnp.asarray(np.random.default_rng(1).normal(size=gradient.shape), jnp.float32)
    direction = direction + 20 * gradient / jnp.abs(gradient).max()
    step = 2e-4 / 20
    ends = [slope(reference, distorted + sign * step * direction)[0] for sign in (1, -1)]
    expected = (float(ends[0]) - float(ends[1])) / (2 * step)
    np.testing.assert_allclose(jnp.vdot(gradient, direction), expected, rtol=0.05)


ROUNDED = {"psnr_y", "ssim", "ms_ssim", "iw_ssim", "vif", "vifp", "gmsd", "nlpd"}
ROUNDED |= {"psnr_hvs", "psnr_hvs_m", "cw_ssim", "vmaf", "vmaf_neg"}


def test_flat_and_gray_images_are_finite(name, small):
    reference, distorted = (image.mean(-1, keepdims=True) for image in small(name))
    gray = [jnp.broadcast_to(image, (*image.shape[:2], 3)) for image in (reference, distorted)]
    black, white = jnp.zeros_like(gray[0]), jnp.ones_like(gray[0])
    different = compiled(name)(
        jnp.stack([gray[0], black, gray[0]])[None], jnp.stack([gray[1], white, white])[None]
    )
    assert np.isfinite(different).all()
    same = jnp.stack([gray[0], black, white])[None]
    tolerance = TOLERANCE.get(name, 1e-5)
    np.testing.assert_allclose(compiled(name)(same, same)[0], OPTIMUM[name], atol=tolerance)


@pytest.mark.parametrize("name", ["psnr", "ssim", "gmsd", "mad"])
def test_a_pair_scores_alike_alone_and_in_a_batch(name, small):
    batch = compiled(name)(*(jnp.stack([image, image, image])[None] for image in small(name)))
    np.testing.assert_allclose(batch[0], compiled(name)(*small(name)), rtol=2e-6)


@pytest.mark.parametrize("name", sorted(OPTIMUM.keys() - {"psnr", "psnr_y", "ciede2000", "flip"}))
def test_too_small_is_one_clear_line(name):
    side = metrics.get(name).min_size - 1
    image = jnp.zeros((side, side + 5, 3))
    with pytest.raises(InputError, match=f"{name}: {side + 5} x {side} is too small"):
        getattr(metrics, name)(image, image)


@pytest.mark.slow
def test_smallest_sizes_work():
    for name in ("gmsd", "mdsi", "ssim", "nlpd", "fsim", "vsi"):
        side = metrics.get(name).min_size
        image = jnp.asarray(np.random.default_rng(0).uniform(size=(side, side, 3)), jnp.float32)
        assert np.isfinite(compiled(name)(image, 1 - image)), name


def test_shapes_must_agree():
    with pytest.raises(InputError, match=r"ssim: needs two arrays \(..., H, W, 3\)"):
        metrics.ssim(jnp.zeros((32, 32, 3)), jnp.zeros((32, 31, 3)))


@pytest.mark.parametrize("name", ["psnr", "ssim", "gmsd"])
def test_half_precision_is_computed_in_float32(name, pair):
    halves = [jnp.asarray(image[:64, :64], jnp.bfloat16) for image in pair]
    score = compiled(name)(*halves)
    assert score.dtype == jnp.float32
    exact = compiled(name)(*(half.astype(jnp.float32) for half in halves))
    np.testing.assert_array_equal(score, exact)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["psnr", "psnr_y", "ssim", "gmsd", "mdsi", "haarpsi", "fsim"])
def test_maps(name, small):
    metric = metrics.get(name)
    reference, distorted = (np.clip(image, 0, 1) for image in small(name))
    worse = reference.copy()
    half = reference.shape[1] // 2
    worse[:, :half] = distorted[:, :half]
    quality = np.asarray(metric.quality_map(reference, worse))
    assert quality.ndim == 2
    third = quality.shape[1] // 3
    left, right = quality[:, :third].mean(), quality[:, -third:].mean()
    assert left < right if metric.higher_is_better else left > right


@pytest.mark.slow
def test_vmap_equals_batch(pair):
    batch = [jnp.stack([image[:40, :40], image[40:80, :40]]) for image in pair]
    np.testing.assert_allclose(jax.vmap(metrics.ssim)(*batch), metrics.ssim(*batch), rtol=1e-5)
