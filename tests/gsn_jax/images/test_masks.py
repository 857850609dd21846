import re

import numpy as np
import pytest
from PIL import Image

from gsn_jax.errors import InputError
from gsn_jax.images.masks import as_mask, cell_weights, check_mask_size


def nearest_means(mask, step, first, cells):
    """Brute force: every pixel belongs to the nearest cell, to the later of two."""

    def members(size, count):
        centres = first + step * np.arange(count)
        distance = np.abs(np.arange(size)[:, None] - centres)
        return count - 1 - distance[:, ::-1].argmin(1)

    rows, columns = (members(*pair) for pair in zip(mask.shape, cells, strict=True))
    means = np.empty(cells)
    for row in range(cells[0]):
        for column in range(cells[1]):
            means[row, column] = mask[np.ix_(rows == row, columns == column)].mean()
    return means


@pytest.mark.parametrize(
    ("size", "step", "first", "cells"),
    [
        ((13, 17), 1, 0.0, (13, 17)),  # every pixel
        ((23, 31), 1, 5.0, (13, 21)),  # whole windows of 11 x 11
        ((13, 16), 2, 0.5, (7, 8)),  # halved
        ((19, 20), 3, 0.0, (7, 7)),
        ((45, 39), 8, 3.5, (5, 4)),  # whole blocks of 8 x 8
        ((64, 64), 16, 15.0, (4, 4)),
    ],
)
def test_a_cell_has_the_mean_of_the_pixels_nearest_to_it(rng, size, step, first, cells):
    mask = rng.random(size, np.float32)
    expected = nearest_means(np.float64(mask), step, first, cells)
    np.testing.assert_allclose(cell_weights(mask, step, first, cells), expected, rtol=1e-6)
    assert (cell_weights(np.ones(size, np.float32), step, first, cells) == 1).all()


def test_a_cell_beyond_the_image_has_the_weight_of_the_last_pixels():
    mask = np.zeros((16, 70), np.float32)
    mask[:, 69] = 1
    # Centres at 15, 31, 47, 63 and 79 pixels; the last one is nearest to no pixel.
    weights = cell_weights(mask, 16, 15.0, (1, 5))
    np.testing.assert_allclose(weights, [[0, 0, 0, 1 / 15, 1]])


def test_files_arrays_and_pillow_images_are_masks(tmp_path):
    mask = np.uint8([[0, 51, 255], [255, 102, 0]])
    Image.fromarray(mask).save(tmp_path / "gray.png")
    Image.fromarray(np.repeat(mask[..., None], 3, -1)).save(tmp_path / "rgb.png")
    Image.fromarray(mask > 100).save(tmp_path / "bits.png")
    expected = np.float32([[0, 0.2, 1], [1, 0.4, 0]])
    sources = [tmp_path / "gray.png", tmp_path / "rgb.png", mask, np.uint16(mask) * 257, expected]
    for source in (*sources, Image.fromarray(mask)):
        np.testing.assert_allclose(as_mask(source), expected, rtol=1e-6)
    hard = np.float32([[0, 0, 1], [1, 1, 0]])
    np.testing.assert_array_equal(as_mask(tmp_path / "bits.png"), hard)
    np.testing.assert_array_equal(as_mask(mask > 100), hard)


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.zeros((4, 4)), "mask is empty"),
        (np.stack([np.ones((4, 4)), np.zeros((4, 4))]), "mask is empty"),
        (np.full((4, 4), 1.5), r"must lie in \[0, 1\]"),
        (np.full((4, 4), np.nan), "not finite"),
        (np.ones((4, 4), int), "bool, uint8, uint16 or float"),
        (np.ones(4), r"got \(4,\)"),
        (np.ones((0, 4)), r"got \(0, 4\)"),
    ],
)
def test_what_is_no_mask_is_one_line(mask, message):
    with pytest.raises(InputError, match=message):
        as_mask(mask)


def test_a_mask_in_colour_or_of_another_size_is_one_line(tmp_path, photo):
    Image.fromarray(photo).save(tmp_path / "photo.png")
    with pytest.raises(InputError, match=r"photo\.png: a mask must be gray, .* in colour"):
        as_mask(tmp_path / "photo.png")
    names = ("m.png", "r.png")
    message = (
        "m.png: size 4 x 5 differs from 160 x 128 of r.png; a mask must have the size of its image"
    )
    with pytest.raises(InputError, match=re.escape(message)):
        check_mask_size(np.ones((5, 4)), photo, names)
