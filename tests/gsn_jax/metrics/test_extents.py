"""Padded images score as the images alone, by one program for all sizes of a class."""

import jax
import numpy as np
import numpy_definitions as definitions
import pytest

from gsn_jax import metrics
from gsn_jax.images.size_classes import Extent, extent_of

PADDED = [name for name in metrics.names() if getattr(metrics.get(name), "padded", False)]
DEFINED = ("ssim", "ms_ssim", "gmsd", "ms_gmsd", "mdsi", "haarpsi", "nlpd", "vifp")
# A fast compiler instead of fast code.
QUICK = {"xla_backend_optimization_level": 0}


def sizes_of(name):
    """An odd and prime size near the smallest of the metric, and one of another shape."""
    least = {"nlpd": 32}.get(name, max(metrics.get(name).min_size, 17))
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


@pytest.mark.parametrize("name", PADDED)
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
    compiled = jax.jit(function, compiler_options=QUICK)
    scores = np.asarray(compiled(*batches, extent=extent))
    metric = metrics.get(name)
    assert scores[2] == {"ssimulacra2": 100}.get(name, metric.value_range[metric.higher_is_better])
    if name in DEFINED:
        expected = [getattr(definitions, name)(*np.float64(pair)) for pair in pairs[:2]]
        np.testing.assert_allclose(scores[:2], expected, rtol=1e-5, atol=1e-5)
    else:
        expected = [function(*pairs[1])]
        np.testing.assert_allclose(scores[1:2], expected, rtol=1e-6, atol=1e-6)
