"""Padded images score as the images alone, by one program for all sizes of a class."""

import functools

import hypothesis
import hypothesis.strategies
import jax
import numpy as np
import numpy_definitions as definitions
import pytest
from large_metrics import marked

from gsn_jax import metrics
from gsn_jax.backbones import bands
from gsn_jax.images.size_classes import Extent, extent_of, size_class

# Those with weights have tests with few channels of their own.
LEARNED = ("lpips_alex", "lpips_vgg", "dists")
PADDED = [
    name
    for name in metrics.names()
    if name not in LEARNED and getattr(metrics.get(name), "padded", False)
]
DEFINED = ("ssim", "ms_ssim", "gmsd", "ms_gmsd", "mdsi", "haarpsi", "nlpd", "vifp")
VIEWED = ("mdsi", "vsi", "sr_sim", "fsimc")  # decimated by a factor that depends on the size
# The score of equal images where that is not the end of the range.
EQUAL = {"ssimulacra2": 100, "vif": 1, "vifp": 1}
EQUAL |= dict.fromkeys(("vmaf", "vmaf_neg"), pytest.approx(97.428, abs=1e-3))


def sizes_of(name):
    """An odd and prime size near the smallest of the metric, and one of another shape."""
    if name == "nlpd":  # whose definition takes such sizes only
        return (32, 64), (64, 32)
    least = max(metrics.get(name).min_size, 17)
    return (least + 2 + least % 2, least + 31), (least + 24, least + 9 + least % 2)


def make_pair(height, width, seed):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width] / 9
    image = 0.5 + 0.3 * np.sin(x + y * y / 9)[..., None] * [1, 0.8, -0.6]
    image = image + 0.1 * (rng.random(image.shape) - 0.5)
    return [
        np.float32(i) for i in (image, np.clip(image * 0.9 + 0.05 * rng.random(image.shape), 0, 1))
    ]


def padded(image, shape, rng):
    """The image in the corner of an array of noise."""
    window = rng.random((*shape, 3), np.float32)
    window[: image.shape[0], : image.shape[1]] = image
    return window


@pytest.mark.parametrize("name", marked(PADDED))
def test_a_batch_of_padded_images_scores_as_the_images_alone(name):
    rng = np.random.default_rng(5)
    function = getattr(metrics, name)
    pairs = [make_pair(*size, seed) for seed, size in enumerate(sizes_of(name))]
    shape = [max(side) + 3 for side in zip(*sizes_of(name), strict=True)]
    pairs.append([pairs[0][0]] * 2)
    batches = [np.stack([padded(pair[i], shape, rng) for pair in pairs]) for i in (0, 1)]
    extent = Extent(
        *(np.stack(side) for side in zip(*(extent_of(p[0]) for p in pairs), strict=True))
    )
    compiled = jax.jit(function)
    scores = np.asarray(compiled(*batches, extent=extent))
    metric = metrics.get(name)
    assert scores[2] == EQUAL.get(name, metric.value_range[metric.higher_is_better])
    expected = [expected_score(name, pair) for pair in pairs[: 2 if name in DEFINED else 1]]
    np.testing.assert_allclose(scores[: len(expected)], expected, rtol=1e-5, atol=2e-6)


@functools.cache
def program_of(name, **options):
    return jax.jit(functools.partial(getattr(metrics, name), **options))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ssim", "gmsd", "mdsi", "haarpsi"])
@hypothesis.settings(max_examples=15, deadline=None)
@hypothesis.given(data=hypothesis.strategies.data())
def test_any_size_scores_as_the_definition(name, data):
    """Odd and prime sizes, and up to ten times as wide as high.

    Luma is not rounded: a value midway between two levels falls to either in float32.
    """
    options = {"rounded": False} if name in ("ssim", "gmsd") else {}
    least = max(metrics.get(name).min_size, 8)
    height = data.draw(hypothesis.strategies.integers(least, 48))
    width = data.draw(hypothesis.strategies.integers(least, 200))
    pair = make_pair(height, width, seed=height)
    rng = np.random.default_rng(width)
    corner = [padded(image, (48, 200), rng) for image in pair]
    score = program_of(name, **options)(*corner, extent=extent_of(pair[0]))
    expected = getattr(definitions, name)(*np.float64(pair), **options)
    np.testing.assert_allclose(score, expected, rtol=1e-5, atol=2e-6)


@pytest.mark.slow
@pytest.mark.parametrize("name", marked(VIEWED))
def test_the_decimation_follows_the_true_size(name):
    """By two and by three in one program, where the arrays are too large for one."""
    pairs = [make_pair(*size, seed) for seed, size in enumerate([(641, 655), (385, 701)])]
    shape = (704, 704)
    rng = np.random.default_rng(6)
    program = jax.jit(getattr(metrics, name))
    for pair in pairs:
        corner = [padded(image, shape, rng) for image in pair]
        score = program(*corner, extent=extent_of(pair[0]))
        np.testing.assert_allclose(score, program(*pair), rtol=1e-6, atol=1e-6)
    small = [padded(image[:200, :200], shape, rng) for image in pairs[0]]
    assert np.isnan(program(*small, extent=Extent(np.int32(200), np.int32(200))))


def expected_score(name, pair):
    """By the definition in float64, or the function of the images alone."""
    if name in DEFINED:
        return getattr(definitions, name)(*np.float64(pair))
    return jax.jit(getattr(metrics, name))(*pair)


def test_size_classes_of_bands():
    rng = np.random.default_rng(7)
    sizes = rng.integers(300, 701, (500, 2)).tolist()
    shapes = {size: bands.size_class(*size) for size in map(tuple, sizes)}
    assert len(set(shapes.values())) <= 3
    assert all(shape[0] >= size[0] and shape[1] >= size[1] for size, shape in shapes.items())
    assert bands.size_class(300, 9000) is None


def test_size_classes():
    for size in [(8, 8), (300, 700), (383, 384), (384, 384), (700, 301), (1080, 1920), (40, 400)]:
        shape = size_class(*size)
        assert shape[0] >= size[0]
        assert shape[1] >= size[1]
    rng = np.random.default_rng(7)
    assert len({size_class(*size) for size in rng.integers(300, 701, (500, 2)).tolist()}) <= 3
    assert size_class(1000, 9000) is None
