import itertools

import jax
import numpy as np
import pytest

import gsn_jax
from gsn_jax import metrics
from gsn_jax.errors import InputError
from gsn_jax.fusion import global_errors
from gsn_jax.images.masks import cell_weights
from gsn_jax.models import registry
from gsn_jax.scoring.protocol import Protocol
from gsn_jax.scoring.regions import score_masked, score_tiles, tile_masks
from gsn_jax.scoring.tiles import TiledModel


@pytest.fixture
def noisy(photo, rng):
    return np.clip(photo + rng.normal(scale=25, size=photo.shape), 0, 255).astype(np.uint8)


@pytest.fixture
def mask(photo):
    rows, columns = np.indices(photo.shape[:2])
    return np.float32(np.clip(1.2 - np.hypot(rows - 50, columns - 60) / 60, 0, 1))


def test_the_networks_score_map_is_weighed(small_model, model_folder, photo, noisy, mask):
    """Pooled in float64 from the error map that the network gives for the whole image."""
    model = registry.build(small_model.config)
    pair = [np.float32(image[None]) / 255 for image in (photo, noisy)]

    def compare(module, first, second):
        return module.compare(module.encode(first), module.encode(second))

    def whole(module, context, *means):
        return module.whole(context, global_errors(np.split(np.concatenate(means), 4)))

    apply = jax.jit(lambda *images: model.apply(small_model.variables, *images, method=compare))
    errors, weights, context, means = jax.tree.map(lambda x: np.float64(x[0]), apply(*pair))
    metric = gsn_jax.load(model_folder)
    grid = metric.map_grid(*photo.shape[:2])
    cells = cell_weights(mask, grid.step, grid.first, errors.shape)
    weights = weights * cells
    pooled = (errors * weights).sum() / weights.sum()
    inside = [
        np.float32(np.average(x, axis=(0, 1), weights=cells))
        for x in (context, *itertools.chain(*means))
    ]
    overall = float(model.apply(small_model.variables, *inside, method=whole))
    sensitivity = float(small_model.variables["params"]["sensitivity"])
    raw = 1 - (np.log1p(pooled * np.exp(sensitivity)) + overall) / 2
    expected = np.clip(1.12 / (1 + np.exp(-(raw - 0.2) / 0.2)) - 0.1, 0, 1)
    assert score_masked(metric, photo, noisy, mask) == pytest.approx(expected, abs=1e-5)
    untiled = metric._compiled_regions(metric._variables, pair[0][0], pair[1][0], cells[None])
    assert float(untiled[0]) == pytest.approx(expected, abs=1e-5)


def test_an_image_in_tiles_is_scored_as_the_whole(small_model, photo, rng):
    reference = np.tile(photo, (1, 6, 1))[:100]
    distorted = rng.integers(0, 256, reference.shape, dtype=np.uint8)
    model = registry.build(small_model.config)
    tiled = TiledModel(model, small_model.variables, lambda raw: raw)
    assert len(list(tiled._tiles(reference, distorted, lambda _, compute: None))) > 1
    weights = rng.random((2, 13, 120)).astype(np.float32)
    weights[1, :, 40:] = 0  # no cell of the last tile

    def score(module, first, second, cells):
        features = (module.encode(image[None]) for image in (first, second))
        return module.finish(module.sums(*features, cells=cells[None]))[0]

    apply = jax.jit(lambda *inputs: model.apply(small_model.variables, *inputs, method=score))
    pair = [np.float32(image) / 255 for image in (reference, distorted)]
    expected = [float(apply(*pair, part)) for part in weights]
    np.testing.assert_allclose(
        tiled.score_regions(reference, distorted, weights), expected, atol=1e-5
    )


@pytest.mark.parametrize("name", ["gsn", "psnr", "ssim", "vsi"])
def test_a_mask_of_ones_gives_the_plain_score_exactly(name, photo, noisy):
    ones = np.ones(photo.shape[:2])
    plain = float(gsn_jax.score(photo, noisy, name))
    assert float(gsn_jax.score(photo, noisy, name, mask=ones)) == plain
    almost = float(gsn_jax.score(photo, noisy, name, mask=ones * 0.75))
    assert almost == pytest.approx(plain, abs=1e-5)


def test_the_model_that_ships_judges_what_the_mask_shows(photo, noisy):
    """Damage outside the mask does not count, and everything counts within it."""
    wide, damaged = np.tile(photo, (1, 3, 1)), np.tile(photo, (1, 3, 1))
    damaged[:, 400:] = np.tile(noisy, (1, 3, 1))[:, 400:]
    left = np.zeros(wide.shape[:2], np.float32)
    left[:, :160] = 1
    for metric in ("gsn", "ssim"):
        scores = [
            float(gsn_jax.score(wide, damaged, metric, mask=part)) for part in (left, 1 - left)
        ]
        assert scores[0] == 1
        assert scores[1] < float(gsn_jax.score(wide, damaged, metric)) < 1


def test_sums_over_masks_add_up(photo, noisy, mask):
    """The shipped model's sums are linear in the mask, moments of the whole image included."""
    metric = gsn_jax.load("gsn")
    model, variables = metric._model, metric._variables
    grid = metric.map_grid(*photo.shape[:2])
    cells = cell_weights(mask, grid.step, grid.first, (8, 10))

    def sums(module, first, second, cells):
        features = (module.encode(image[None]) for image in (first, second))
        return module.sums(*features, cells=cells[None])[0]

    apply = jax.jit(lambda *inputs: model.apply(variables, *inputs, method=sums))
    pair = [np.float32(image) / 255 for image in (photo, noisy)]
    parts = [np.asarray(apply(*pair, part)) for part in (cells, 1 - cells)]
    whole = np.asarray(apply(*pair, np.ones_like(cells)))
    np.testing.assert_allclose(parts[0] + parts[1], whole, rtol=1e-4, atol=1e-3)


def test_batches_take_one_mask_or_one_each(photo, noisy, mask):
    batch = np.stack([noisy, 255 - noisy])
    references = np.stack([photo, photo])
    other = np.ascontiguousarray(mask[::-1])
    alone = [
        float(gsn_jax.score(photo, image, "psnr", mask=m))
        for image, m in ((batch[0], mask), (batch[1], mask), (batch[1], other))
    ]
    one = gsn_jax.score(references, batch, "psnr", mask=mask)
    each = gsn_jax.score(references, batch, "psnr", mask=np.stack([mask, other]))
    np.testing.assert_array_equal(one, np.float32(alone[:2]))
    np.testing.assert_array_equal(each, np.float32([alone[0], alone[2]]))
    with pytest.raises(InputError, match=r"batch shape \(3,\) differs from \(2,\) of the images"):
        gsn_jax.score(references, batch, "psnr", mask=np.stack([mask] * 3))


def test_a_protocol_crops_the_mask_too(photo, noisy, mask):
    inner = (slice(8, -8), slice(8, -8))
    got = gsn_jax.score(photo, noisy, "psnr", mask=mask, protocol=Protocol(crop_border=8))
    expected = gsn_jax.score(photo[inner], noisy[inner], "psnr", mask=mask[inner])
    assert float(got) == pytest.approx(float(expected), abs=1e-5)
    border = np.ones(photo.shape[:2])
    border[inner] = 0
    with pytest.raises(InputError, match="once the borders are removed"):
        gsn_jax.score(photo, noisy, "psnr", mask=border, protocol=Protocol(crop_border=8))


def test_tiles_are_parts_of_the_image(photo, noisy):
    scores = score_tiles(metrics.get("psnr"), photo, noisy, (3, 2))
    change = (np.float64(photo) - noisy) ** 2
    rows, columns = (0, 42, 85, 128), (0, 80, 160)
    expected = [
        10 * np.log10(255**2 / change[a:b, c:d].mean())
        for a, b in itertools.pairwise(rows)
        for c, d in itertools.pairwise(columns)
    ]
    np.testing.assert_allclose(scores, expected, atol=1e-4)
    cropped = Protocol(crop_border=4).of(metrics.get("psnr"))
    (only,) = score_tiles(cropped, photo, noisy, (1, 1))
    inner = change[4:-4, 4:-4].mean()
    assert only == pytest.approx(10 * np.log10(255**2 / inner), abs=1e-4)


def test_tiles_cover_every_pixel_once():
    masks = list(tile_masks(13, 17, (4, 5), 2))
    assert len(masks) == 20
    total = np.sum(masks, axis=0)
    assert (total[2:-2, 2:-2] == 1).all()
    assert total.sum() == 9 * 13
    with pytest.raises(InputError, match="17 x 13 is too small for 14 x 1 tiles"):
        next(tile_masks(13, 17, (14, 1)))
    with pytest.raises(InputError, match="13 x 9 is too small for 10 x 1 tiles"):
        next(tile_masks(13, 17, (10, 1), 2))


def test_what_takes_no_mask_is_one_line(photo, noisy, mask):
    with pytest.raises(InputError, match="ms_ssim: cannot be used with masks or tiles"):
        gsn_jax.score(photo, noisy, "ms_ssim", mask=np.ones(photo.shape[:2]))
    with pytest.raises(InputError, match="mask: size 160 x 127 differs from 160 x 128 of image"):
        gsn_jax.score(photo, noisy, "psnr", mask=mask[1:])
    with pytest.raises(InputError, match="mask is empty"):
        score_masked(metrics.get("psnr"), photo, noisy, 0 * mask)
