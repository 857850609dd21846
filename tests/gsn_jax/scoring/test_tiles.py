"""Images in larger arrays and in tiles score as the images alone."""

from concurrent.futures import ThreadPoolExecutor

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from closeness import assert_close
from small_gsns import noisy_pair

from gsn_jax.metric import FeatureCache
from gsn_jax.models import registry
from gsn_jax.scoring.tiles import SHAPES, TiledModel, cover, with_current_config

REACH, CELL = 90, 16


@pytest.fixture(scope="module")
def model(small_model):
    return registry.build(small_model.config)


@pytest.fixture(scope="module")
def whole(model, small_model):
    """The model's own function on the very size."""
    apply = jax.jit(model.apply)

    def score(reference, distorted):
        pair = (jnp.float32(image[None]) / 255 for image in (reference, distorted))
        return float(apply(small_model.variables, *pair)[0])

    return score


@pytest.fixture(scope="module")
def tiled(model, small_model):
    return TiledModel(model, small_model.variables, lambda raw: raw)


@pytest.mark.parametrize("size", [(128, 128), (97, 111), (16, 17), (33, 64), (65, 127)])
def test_what_lies_beyond_an_image_has_no_influence(tiled, whole, rng, size):
    images = noisy_pair(rng, *size)
    assert tiled.score(*images) == pytest.approx(whole(*images), abs=1e-5)


def test_the_other_thread_computes_as_this_one_is_told_to():
    """Contexts of JAX are a thread's own."""

    def settings():
        return jax.config.jax_default_matmul_precision, jax.config.jax_default_device

    device = jax.devices()[-1]
    with ThreadPoolExecutor(1) as threads:
        with jax.default_matmul_precision("float32"), jax.default_device(device):
            told = threads.submit(with_current_config(settings)).result()
        assert told == ("float32", device)
        assert threads.submit(with_current_config(settings)).result() == settings()


def test_features_of_a_padded_image_are_those_of_the_image(model, small_model, rng):
    image = np.float32(noisy_pair(rng, 45, 52)[0]) / 255
    padded = np.full((1, 64, 96, 3), 7.0, np.float32)  # what is there must not matter
    padded[0, :45, :52] = image
    encode = jax.jit(lambda x, sizes=None: model.apply(
        small_model.variables, x, sizes=sizes, method="encode"
    ))  # fmt: skip
    got = encode(padded, jnp.array([[45, 52]]))
    for level, alone in zip(got, encode(image[None]), strict=True):
        rows, columns = alone.shape[1:3]
        assert_close(level[:, :rows, :columns], alone)
        assert not level[:, rows:].any()
        assert not level[:, :, columns:].any()


@pytest.mark.parametrize("size", [(600, 90), (561, 300)])
def test_tiles_add_up_to_the_image(tiled, whole, rng, size):
    images = noisy_pair(rng, *size)
    tiles = cover(*size, reach=tiled._reach, cell=CELL)
    assert len(tiles) > 1
    assert tiled.score(*images) == pytest.approx(whole(*images), abs=1e-5)


def test_a_quality_step_far_from_a_border_of_tiles_is_seen_once(tiled, whole, rng):
    reference, _ = noisy_pair(rng, 700, 100)
    distorted = reference.copy()
    distorted[300:330] = 0
    assert tiled.score(reference, distorted) == pytest.approx(whole(reference, distorted), abs=1e-5)


def test_the_reach_is_what_a_cell_sees(model, small_model, rng):
    """Outside of it a change leaves the cell's error as it is; a cell further in it does not."""
    first, second = (np.float32(image[None]) / 255 for image in noisy_pair(rng, 272, 272))

    def errors(module, first, second):  # the map without the error of the whole image
        return module.compare(module.encode(first), module.encode(second)).errors

    local = jax.jit(lambda x, y: model.apply(small_model.variables, x, y, method=errors))
    before = float(local(first, second)[0, 8, 8])
    cell = model.backbone.strides[-1]

    def change(reached):
        changed = second.copy()
        changed[:, : 8 * cell - reached] = 1 - changed[:, : 8 * cell - reached]
        return abs(float(local(first, changed)[0, 8, 8]) - before)

    assert change(model.reach) == 0
    assert change(model.reach - cell) > 0


def test_a_reference_is_encoded_once(tiled, rng):
    images = noisy_pair(rng, 100, 90)
    calls = []
    cache = FeatureCache()

    def remember(part, compute):
        def counted():
            calls.append(part)
            return compute()

        return cache.of("reference")(part, counted)

    scores = {float(tiled.score(*images, remember)) for _ in range(3)}
    assert scores == {float(tiled.score(*images))}
    assert len(calls) == 1


class TestCover:
    @pytest.mark.parametrize(
        "size", [(1, 1), (128, 128), (129, 600), (2048, 64), (1217, 1216), (2500, 3100)]
    )
    def test_every_cell_once_and_all_it_sees(self, size):
        height, width = size
        tiles = cover(height, width, reach=REACH, cell=CELL)
        assert len({tile.shape for tile in tiles}) == 1
        count = np.zeros((-(-height // CELL), -(-width // CELL)), int)
        for tile in tiles:
            assert tile.shape in SHAPES
            top, bottom, left, right = tile.core
            rows, columns = tile.top // CELL, tile.left // CELL
            count[rows + top : rows + bottom, columns + left : columns + right] += 1
            for first, end, begin, length, total in (
                (top, bottom, tile.top, tile.height, height),
                (left, right, tile.left, tile.width, width),
            ):
                assert begin % CELL == 0
                assert 0 < length <= max(tile.shape)
                assert begin == 0 or first * CELL >= REACH
                assert begin + length == total or length - end * CELL >= REACH
        assert (count == 1).all()

    def test_the_size_alone_decides_and_few_shapes_serve_all(self):
        rng = np.random.default_rng(0)
        sizes = np.exp(rng.uniform(np.log(64), np.log(2048), (300, 2))).astype(int)
        covers = [cover(*map(int, size), reach=REACH, cell=CELL) for size in sizes]
        assert len({tiles[0].shape for tiles in covers}) <= 10
        computed = sum(len(tiles) * np.prod(tiles[0].shape) for tiles in covers)
        assert computed < 2.3 * np.prod(sizes, axis=1).sum()

    def test_a_reach_beyond_every_shape(self):
        with pytest.raises(ValueError, match="no shape has room"):
            cover(5000, 5000, reach=700, cell=CELL)
