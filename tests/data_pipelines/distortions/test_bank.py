"""The bank as a whole: every type is there, deterministic, and grows with its level."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from skimage import data
from skimage.metrics import structural_similarity

from data_pipelines import distortions
from data_pipelines.distortions import draws, spatial, transmission
from gsn_jax.errors import InputError


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return np.ascontiguousarray(data.astronaut()[40:232, 90:282])


def _digest(image: np.ndarray) -> str:
    return hashlib.sha256(image.tobytes()).hexdigest()


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] * name.endswith(("_network", "_texture")))
        for name in distortions.names()
    ],
)
def test_every_level_is_worse_than_the_one_before(name, photo):
    errors, losses = [], []
    before = photo.copy()
    for level in distortions.LEVELS:
        image = distortions.apply(name, photo, level=level, seed=3)
        assert image.dtype == np.uint8
        assert image.shape == photo.shape
        errors.append(np.mean((image.astype(np.float64) - photo) ** 2))
        losses.append(1 - structural_similarity(photo, image, channel_axis=-1))
    np.testing.assert_array_equal(photo, before, err_msg="the input was written to")
    assert errors[0] > 0.5
    assert np.all(np.diff(errors) > 0), errors
    assert np.all(np.diff(losses) > 0), losses


@pytest.mark.parametrize("name", distortions.names())
def test_equal_arguments_give_equal_bytes_on_any_size(name, photo):
    odd = np.ascontiguousarray(photo[:75, :101])
    first = distortions.apply(name, odd, level=3, seed=5)
    again = distortions.apply(name, odd, level=3, seed=5)
    assert first.shape == odd.shape
    assert _digest(first) == _digest(again)


@pytest.mark.parametrize("name", ["pattern_noise", "colour_blocks", "jpeg_errors", "blocks"])
def test_images_that_need_more_items_than_are_drawn_at_once(name, photo, monkeypatch):
    """As in photographs of tens of megapixels."""
    monkeypatch.setattr(spatial, "_DRAWN", 4)
    monkeypatch.setattr(transmission, "_DRAWN", 4)
    large = np.tile(photo, (2, 2, 1))
    errors = []
    for level in distortions.LEVELS:
        image = distortions.apply(name, large, level=level, seed=3)
        errors.append(np.mean((image.astype(np.float64) - large) ** 2))
    assert np.all(np.diff(errors) > 0), errors


def test_draws_have_equal_beginnings():
    def draw(count):
        rng = np.random.default_rng(0)
        drawn = draws.at_least(10, count, rng, lambda rng, items: rng.random((items, 2)))
        return drawn, rng.random()

    (few, later), (more, later_of_more) = draw(3.5), draw(25.5)
    assert (len(few), len(more)) == (10, 26)
    np.testing.assert_array_equal(more[:10], few)
    np.testing.assert_array_equal(draw(30)[0][:26], more)
    assert later == later_of_more
    np.testing.assert_array_equal(few, np.random.default_rng(0).random((10, 2)))


_RANDOM = [
    *distortions.names("noise"),
    "motion_blur",
    "colour_shift",
    "jitter",
    "blocks",
    "colour_blocks",
    "pattern_noise",
    "jpeg_errors",
    "jpeg2000_errors",
    "sparse_sampling",
]


@pytest.mark.parametrize("name", _RANDOM)
def test_another_seed_draws_another_image(name, photo):
    images = {_digest(distortions.apply(name, photo, level=4, seed=seed)) for seed in range(3)}
    assert len(images) == 3


@pytest.mark.slow
def test_the_weakest_strength_leaves_the_image_almost_alone(photo):
    # what codecs and restoration cost at their weakest, as mean squared error
    tolerance = {"compression": 8, "transmission": 40, "restoration": 25, "mixed": 1e4}
    for name in distortions.names():
        entry = distortions.get(name)
        image = entry(photo, strength=entry.bounds[0])
        error = np.mean((image.astype(np.float64) - photo) ** 2)
        assert error <= tolerance.get(entry.group, 60), (name, error)


def test_every_type_of_tid2013_and_kadid10k_is_there():
    assert [distortions.of_tid2013(i).tid2013 for i in range(1, 25)] == list(range(1, 25))
    assert [distortions.of_kadid10k(i).kadid10k for i in range(1, 26)] == list(range(1, 26))
    assert len(distortions.select(["tid2013"])) == 24
    assert len(distortions.select(["kadid10k"])) == 25
    numbers = [distortions.get(name).tid2013 for name in distortions.names()]
    assert len([n for n in numbers if n]) == 24, "a number is used twice"


def test_entries_are_documented_and_strengths_rise():
    for name in distortions.names():
        entry = distortions.get(name)
        assert entry.name == name
        assert all((entry.group, entry.description, entry.source, entry.unit))
        assert list(entry.strengths) == sorted(set(entry.strengths))
        assert entry.bounds[0] <= entry.strengths[0]
        assert entry.strengths[-1] <= entry.bounds[1]


def test_a_level_between_two_lies_between_their_strengths():
    entry = distortions.get("white_noise")
    assert entry.strength_at(2) == entry.strengths[1]
    assert entry.strength_at(5) == entry.strengths[4]
    between = np.sqrt(entry.strengths[1] * entry.strengths[2])  # geometric mean
    assert entry.strength_at(2.5) == pytest.approx(between)


def test_select_takes_names_groups_and_data_sets_once_each():
    assert distortions.select(["jpeg", "blur", "jpeg"]) == ("jpeg", *distortions.names("blur"))
    assert distortions.select(["all"]) == distortions.names()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda image: distortions.get("jpg"), "did you mean jpeg"),
        (lambda image: distortions.get("xyz"), "no distortion 'xyz'; gsn synthesize --list lists"),
        (lambda image: distortions.names("noises"), "no distortion group 'noises'"),
        (lambda image: distortions.select(["blurr"]), "no distortion 'blurr'"),
        (lambda image: distortions.of_tid2013(25), "no distortion type 25"),
        (lambda image: distortions.apply("jpeg", image), "either a level or a strength"),
        (lambda image: distortions.apply("jpeg", image, 6), "level must be from 1 to 5"),
        (lambda image: distortions.apply("jpeg", image, strength=-1), "outside 1 to 6000"),
        (lambda image: distortions.apply("jpeg", image / 255, 1), "must be uint8"),
        (lambda image: distortions.apply("jpeg", image[..., 0], 1), "must be uint8"),
        (lambda image: distortions.apply("jpeg", image[:9], 1), "at least 16 x 16"),
    ],
)
def test_wrong_input_is_one_clear_line(call, message, photo):
    with pytest.raises(InputError, match=message):
        call(photo)
