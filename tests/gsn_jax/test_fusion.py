"""What a level's fusion compares, against NumPy definitions in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from closeness import assert_close
from small_gsns import draw

from gsn_jax import fusion
from gsn_jax.backbones.padded import clear


@pytest.fixture
def features(rng):
    """Two rectified feature maps with silent positions, (2, 8, 12, 5)."""
    a, b = np.maximum(rng.normal(size=(2, 2, 8, 12, 5)), 0)
    a[0, :2], b[0, :2, 4] = 0, 0
    return a, b


def window_mean(cells, row, column):
    """The mean over the window around a block, as far as it is inside the image (rows, columns, C).

    Blocks of two by two cells count alike, also where the border leaves only one row or column.
    """
    reach = fusion.WINDOW // 2
    height, width, channels = cells.shape
    even = np.pad(cells, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    x = even.reshape(len(even) // 2, 2, -1, 2, channels).mean(axis=(1, 3))
    rows = slice(max(row - reach, 0), row + reach + 1)
    columns = slice(max(column - reach, 0), column + reach + 1)
    return x[rows, columns].mean(axis=(0, 1))


@pytest.mark.parametrize("size", [None, (5, 9)])
def test_windows_end_at_the_border_of_the_image(features, size):
    x = features[0]
    sizes = None if size is None else jnp.full((2, 2), jnp.array(size))
    (got,) = jax.jit(fusion.window_means)([jnp.float32(x)], sizes)
    height, width = size or x.shape[1:3]
    for row in range((height + 1) // 2):
        for column in range((width + 1) // 2):
            want = [window_mean(image[:height, :width], row, column) for image in x]
            assert_close(got[:, row, column], np.array(want))


def test_texture_and_structure_are_one_minus_the_similarities_of_dists(features):
    a, b = features
    axes = (1, 2)
    moments = [x.mean(axis=axes) for x in (a, b, a**2 + b**2, (a - b) ** 2)]
    first, second = 0.03, 0.05
    covariance = ((a - a.mean(axes, keepdims=True)) * (b - b.mean(axes, keepdims=True))).mean(axes)
    m_a, m_b, variances = moments[0], moments[1], a.var(axis=axes) + b.var(axis=axes)
    texture = 1 - (2 * m_a * m_b + first) / (m_a**2 + m_b**2 + first)
    structure = 1 - (2 * covariance + second) / (variances + second)
    got = fusion.texture_and_structure_errors([jnp.float32(x) for x in moments], first, second)
    assert_close(got[0], texture)
    assert_close(got[1], structure)


def test_concatenated_features_are_scaled_by_those_of_both(features):
    a, b = features
    got = fusion.concatenated(jnp.float32(a), jnp.float32(b))
    scale = np.sqrt(((a**2 + b**2) / 2).mean(axis=-1, keepdims=True) + 0.05)
    assert_close(got[0], a / scale)
    assert_close(got[1], fusion.CHANGE_GAIN * (b - a) / scale)


def test_the_error_of_a_level_is_exactly_0_where_its_features_agree(features):
    level = fusion.LevelFusion(width=3, stride=4, target=8)
    a, b = map(jnp.float32, features)
    variables = draw(level, images=(a, b))
    apply = jax.jit(level.apply)
    joint, errors, around, means = apply(variables, a, b)
    assert_close(means[2], cell_means(features[0] ** 2 + features[1] ** 2))
    assert joint.shape == errors.shape == (2, 4, 6, 3)
    assert around.shape == (2, 2, 3, 3)
    equal = apply(variables, a, a)
    for some, none in ((errors, equal.errors), (around, equal.errors_around)):
        assert (some >= 0).all()
        assert (some.max(axis=-1) > 0).all()
        assert (none == 0).all()


def cell_means(x):
    """Means over cells of two by two features."""
    return x.reshape(2, 4, 2, 6, 2, 5).mean(axis=(2, 4))


def test_a_level_averages_its_errors_and_those_around(rng):
    """All are 1 where only one image has features, and so is any mean of them."""
    level = fusion.LevelFusion(width=3, stride=4, target=8)
    reference = jnp.zeros((1, 8, 12, 5))
    distorted = jnp.float32(rng.uniform(500, 1000, reference.shape))
    variables = jax.jit(level.init)(jax.random.key(0), reference, distorted)
    for name in ("mix", "mix_around"):
        kernel = variables["params"][name]["kernel"]
        mean = np.log(np.expm1(1 / len(kernel)))  # see `heads.positive`
        variables["params"][name]["kernel"] = jnp.full(kernel.shape, mean)
    fused = jax.jit(level.apply)(variables, reference, distorted)
    np.testing.assert_allclose(fused.errors, 1, rtol=1e-4)
    np.testing.assert_allclose(fused.errors_around, 1, rtol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("sizes", [None, [[32, 47], [21, 30]]])
def test_bands_give_the_same_statistics(features, monkeypatch, sizes):
    """One row of cells at a time; with true sizes of the images in pixels, too."""
    level = fusion.LevelFusion(width=3, stride=4, target=8)
    a, b = map(jnp.float32, features)
    variables = draw(level, images=(a, b))
    sizes = None if sizes is None else jnp.array(sizes)
    whole = jax.jit(level.apply)(variables, a, b, sizes)
    monkeypatch.setattr(fusion, "_TOGETHER", 1)
    banded = jax.jit(lambda *arguments: level.apply(*arguments))(variables, a, b, sizes)
    jax.tree.map(assert_close, banded, whole)


def test_padded_features_give_the_same_within_the_image(features):
    level = fusion.LevelFusion(width=3, stride=4, target=8)
    a, b = (jnp.float32(x[:1]) for x in features)
    variables = draw(level, images=(a, b))
    want = jax.jit(level.apply)(variables, a[:, :5, :9], b[:, :5, :9])
    sizes = jnp.array([[20, 36]])
    got = jax.jit(level.apply)(variables, *(clear(x, sizes // 4) for x in (a, b)), sizes)
    jax.tree.map(lambda padded, exact: assert_close(padded[:, :3, :5], exact), got, want)


def test_blocks_are_spread_over_their_cells(rng):
    blocks = rng.normal(size=(2, 2, 3, 4))
    got = fusion.spread(jnp.float32(blocks), (2, 3, 5, 4))
    for row in range(3):
        for column in range(5):
            assert_close(got[:, row, column], blocks[:, row // 2, column // 2])
