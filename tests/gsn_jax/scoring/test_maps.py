import types

import numpy as np
import pytest

import gsn_jax
from gsn_jax.errors import InputError
from gsn_jax.metric import MapGrid
from gsn_jax.scoring import by_name, maps, model_metric
from gsn_jax.scoring.maps import grid_of, mapped_names, to_pixels


@pytest.mark.slow
@pytest.mark.parametrize(
    ("height", "width", "names"),
    [
        (96, 128, ("gsn", "mdsi")),
        (97, 131, ("gsn", "psnr", "ssim", "gmsd", "mdsi", "haarpsi", "fsim", "vsi")),
    ],
)
def test_every_map_covers_the_image_and_is_worst_where_it_changed(photo, height, width, names, rng):
    reference = np.resize(photo, (128, 160, 3))
    reference = np.tile(reference, (2, 2, 1))[:height, :width]
    distorted = reference.copy()
    noise = rng.normal(scale=70, size=(32, 32, 3))
    distorted[32:64, 80:112] = np.clip(distorted[32:64, 80:112] + noise, 0, 255)
    for name in names:
        metric = by_name.resolve(name)
        values = gsn_jax.quality_map(reference, distorted, name)
        assert values.shape == (height, width), name
        error = -values if metric.higher_is_better else values
        rows, columns = np.indices(error.shape)
        weight = np.clip(error - np.median(error), 0, None)
        centre = [(axis * weight).sum() / weight.sum() for axis in (rows, columns)]
        np.testing.assert_allclose(centre, (47.5, 95.5), atol=6, err_msg=name)


def test_the_cells_of_a_ramp_lie_where_the_grid_says():
    for grid, count in ((MapGrid(), 7), (MapGrid(2, 0.5), 9), (MapGrid(1, 5.0), 6)):
        centres = grid.first + grid.step * np.arange(count)
        cells = np.broadcast_to(centres, (3, count)).astype(np.float32)
        values = to_pixels(cells, 4, 30, grid)
        inside = np.arange(30)
        inside = inside[(inside >= centres[0]) & (inside <= centres[-1])]
        np.testing.assert_allclose(values[:, inside], np.broadcast_to(inside, (4, len(inside))))
        assert (values[:, :1] == centres[0]).all()
        assert (values[:, -1:] == centres[-1]).all()


@pytest.mark.parametrize(("name", "first"), [("gsn", 15), ("gsn-b", (7.5 + 15) / 2)])
def test_a_models_cells_lie_at_the_centres_of_its_receptive_fields(name, first):
    assert grid_of(model_metric.load(name), 96, 131, (6, 9)) == MapGrid(16, first)


def test_cells_that_nobody_declares_are_the_blocks_that_halving_gives():
    metric = types.SimpleNamespace()
    assert grid_of(metric, 96, 131, (6, 9)) == MapGrid(16, 7.5)
    assert grid_of(metric, 16, 16, (1, 1)) == MapGrid(16, 7.5)
    with pytest.raises(ValueError, match="halved repeatedly"):
        grid_of(metric, 96, 131, (6, 10))


@pytest.mark.slow
def test_the_grid_itself_and_batches(photo):
    distorted = 255 - photo
    cells = gsn_jax.quality_map(photo, distorted, size="grid")
    assert cells.shape == (8, 10)
    np.testing.assert_array_equal(cells, model_metric.load("gsn").quality_map(photo, distorted))
    both = gsn_jax.quality_map(np.stack([photo, photo]), np.stack([distorted, photo]))
    assert both.shape == (2, 128, 160)
    np.testing.assert_allclose(both[0], gsn_jax.quality_map(photo, distorted), atol=1e-5)
    np.testing.assert_allclose(both[1], 1, atol=1e-5)


def test_names_of_metrics_with_a_map():
    names = mapped_names()
    assert names[0] == "gsn"
    assert {"ssim", "gmsd"} < set(names)
    assert "ms_ssim" not in names


def test_a_metric_without_a_map_is_one_line(photo):
    with pytest.raises(InputError, match="'ms_ssim' has no quality map; metrics with one: gsn"):
        maps.quality_map(photo, photo, "ms_ssim")
    with pytest.raises(InputError, match="size must be one of image, grid"):
        maps.quality_map(photo, photo, "ssim", size="pixels")
