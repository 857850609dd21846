"""VMAF against its definition in float64, and against libvmaf's own values."""

import math

import jax
import metric_pairs
import numpy as np
import pytest
import scipy.ndimage
import scipy.signal

from gsn_jax import metrics
from gsn_jax.metrics import _vmaf

PAIRS = metric_pairs.pairs()


def luma(image):
    """BT.601 in the studio range, in 8 bits, less 128 as libvmaf takes it."""
    return np.round(16 + image / 255 @ [65.481, 128.553, 24.966]) - 128


def information(x, y, limit):
    kept = []
    for scale in range(4):
        size = 2 ** (4 - scale) + 1
        window = scipy.signal.windows.gaussian(size, size / 5)
        window /= window.sum()

        def blur(plane, window=window):
            for axis in (0, 1):
                plane = scipy.ndimage.correlate1d(plane, window, axis, mode="mirror")
            return plane

        if scale:
            x, y = (blur(p)[: len(p) // 2 * 2 : 2, : p.shape[1] // 2 * 2 : 2] for p in (x, y))
        mx, my = blur(x), blur(y)
        vx, vy = (np.maximum(blur(p * p) - m * m, 0) for p, m in ((x, mx), (y, my)))
        cov = blur(x * y) - mx * my
        g = np.where(vx < 1e-10, 0, cov / (vx + 1e-10))
        rest = np.where(g < 0, vy, vy - g * cov)
        g = np.clip(np.where(vy < 1e-10, 0, g), 0, limit)
        rest = np.maximum(np.where(vy < 1e-10, 0, rest), 1e-10)
        num = np.where(cov < 0, 0, np.log2(1 + g * g * vx / (rest + 2)))
        num = np.where(vx < 2, 1 - vy * 4 / 255**2, num)
        den = np.where(vx < 2, 1, np.log2(1 + vx / 2))
        kept.append(num.sum() / den.sum())
    return kept


def mirrored(plane, after):
    """Whole-sample symmetry before, half-sample symmetry behind."""
    for axis in (0, 1):
        plane = np.pad(plane, [(1, 0) if a == axis else (0, 0) for a in (0, 1)], mode="reflect")
        ends = [(0, after) if a == axis else (0, 0) for a in (0, 1)]
        plane = np.pad(plane, ends, mode="symmetric")
    return plane


def wavelets(plane):
    root = np.sqrt(3)
    low = np.array([1 + root, 3 + root, 3 - root, 1 - root]) / (4 * np.sqrt(2))
    high = low[::-1] * [1, -1, 1, -1]
    rows, columns = -(-plane.shape[0] // 2), -(-plane.shape[1] // 2)
    plane = mirrored(plane, 2)

    def band(vertical, horizontal):
        full = scipy.signal.correlate(plane, np.outer(vertical, horizontal), "valid", "direct")
        return full[: 2 * rows : 2, : 2 * columns : 2]

    return band(low, low), [band(high, low), band(low, high), band(high, high)]


def threshold(scale, diagonal):
    """Watson et al., equation 9 and tables 4 and 5."""
    amplitude = [(0.67234, 0.72709), (0.41317, 0.49428), (0.22727, 0.28688), (0.11792, 0.15214)]
    resolution = 3 * 1080 * math.pi / 180
    factor = 0.534 if diagonal else 1.0
    log = math.log10(2 ** (scale + 1) * 0.401 * factor / resolution)
    return 2 * 0.495 * 10 ** (0.466 * log**2) / amplitude[scale][diagonal]


def detail(x, y, limit):
    num = den = 0
    for scale in range(4):
        (x, xs), (y, ys) = wavelets(x), wavelets(y)
        angles = [np.arctan2(p[1], p[0]) for p in (xs, ys)]
        turned = np.abs((angles[0] - angles[1] + np.pi) % (2 * np.pi) - np.pi)
        empty = [(p[0] == 0) & (p[1] == 0) for p in (xs, ys)]
        same = (turned <= math.radians(1)) | empty[0] | empty[1]
        kept, added, reference = [], [], []
        for band, (o, t) in enumerate(zip(xs, ys, strict=True)):
            csf = 1 / threshold(scale, band == 2)
            gain = np.clip(np.divide(t, o, out=np.zeros_like(o), where=o != 0), 0, 1)
            r = gain * o
            more = np.where(r > 0, np.minimum(r * limit, t), np.maximum(r * limit, t))
            r = np.where(same & (r != 0), more, r)
            kept.append(csf * r)
            added.append(csf * (t - r))
            reference.append(csf * o)
        around = np.array([[1, 1, 1], [1, 2, 1], [1, 1, 1]]) / 30
        mask = scipy.signal.correlate(mirrored(np.abs(added).sum(0), 1), around, "valid", "direct")
        height, width = mask.shape
        top, left = int(height * 0.1 - 0.5), int(width * 0.1 - 0.5)
        inner = (slice(None), slice(top, height - top), slice(left, width - left))
        noise = ((height - 2 * top) * (width - 2 * left) / 32) ** (1 / 3)
        visible = np.maximum(np.abs(kept) - mask, 0)[inner]
        num += ((visible**3).sum((1, 2)) ** (1 / 3) + noise).sum()
        den += ((np.abs(reference)[inner] ** 3).sum((1, 2)) ** (1 / 3) + noise).sum()
    return num / den


def fused(features):
    """The decision function of LIBSVM's nu-SVR."""
    vectors = np.load(_vmaf.__file__.replace("_vmaf.py", "vmaf_v0.6.1.npy"))
    x = np.array(_vmaf.SLOPES) * features + _vmaf.INTERCEPTS
    kernel = np.exp(-0.04 * ((x - vectors[:, 1:]) ** 2).sum(1))
    raw = kernel @ vectors[:, 0] + 1.33133
    return np.clip((raw + 0.3092981927591963) / 0.012020766332648465, 0, 100)


def definition(reference, distorted, limit):
    x, y = luma(reference), luma(distorted)
    return fused(np.array([detail(x, y, limit), 0, *information(x, y, limit)]))


# libvmaf at commit f85a8536 of August 2026, built with -Denable_float=true -Denable_asm=false: for
# files of the lumas as the Y of 4:4:4 frames,
#   vmaf -r r.yuv -d d.yuv -w 192 -h 176 -p 444 -b 8 --json -o o.json \
#       -m path=vmaf_float_v0.6.1.json:name=a -m path=vmaf_float_v0.6.1neg.json:name=b
LIBVMAF = {
    "noise": (90.148471, 87.955649),
    "blocks": (31.530971, 31.056104),
    "contrast": (49.742539, 49.739471),
    "gray": (92.365006, 89.597094),
    "saturated": (76.860986, 75.0557),
}
# Of the top left corner.
LIBVMAF_SMALL = {
    ("noise", 17, 17): (94.107253, 60.509278),
    ("noise", 31, 45): (75.63581, 68.198499),
    ("blocks", 31, 45): (33.27799, 32.77762),
}


@pytest.fixture(scope="module")
def scores():
    return jax.jit(lambda *pair: (metrics.vmaf(*pair), metrics.vmaf_neg(*pair)))


@pytest.mark.parametrize("name", PAIRS)
def test_definition_and_libvmaf(name, scores):
    """Within 0.005 of 100 points, by which libvmaf's own float32 differs from float64 as well."""
    got = scores(*metric_pairs.floats(PAIRS[name]))
    expected = [definition(*PAIRS[name], limit) for limit in (100, 1)]
    np.testing.assert_allclose(got, expected, atol=5e-3)
    np.testing.assert_allclose(got, LIBVMAF[name], atol=5e-3)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "height", "width"), LIBVMAF_SMALL)
def test_small_and_odd_images(name, height, width, scores):
    pair = [image[:height, :width] for image in PAIRS[name]]
    got = scores(*metric_pairs.floats(pair))
    expected = [definition(*pair, limit) for limit in (100, 1)]
    np.testing.assert_allclose(got, expected, atol=5e-3)
    np.testing.assert_allclose(got, LIBVMAF_SMALL[name, height, width], atol=5e-3)


def test_only_vmaf_rewards_enhanced_contrast(scores):
    """The same pair swapped, by libvmaf: 100 and 80.007."""
    got = scores(*metric_pairs.floats(PAIRS["contrast"][::-1]))
    np.testing.assert_allclose(got, (100, 80.007044), atol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["noise", "saturated"])
def test_equal_images_and_their_gradient(name):
    """97.43, as libvmaf gives without motion, with finite slopes."""
    image = metric_pairs.floats(PAIRS[name])[0]
    both = jax.jit(jax.value_and_grad(metrics.vmaf, argnums=(0, 1)))
    for same in (image, np.full_like(image, 0.3)):
        score, slopes = both(same, same)
        np.testing.assert_allclose(score, 97.428, atol=1e-3)
        assert np.isfinite(slopes).all()


@pytest.mark.slow
def test_float64_is_computed_in_float64():
    pair = PAIRS["blocks"]
    with jax.enable_x64(True), jax.numpy_dtype_promotion("strict"):
        got = jax.jit(metrics.vmaf)(*(image / 255 for image in pair))
    np.testing.assert_allclose(got, definition(*pair, 100), rtol=1e-8)
