"""Batches for training: windows, order, resuming and processes."""

import json

import numpy as np
import pytest

from data_pipelines.loader import train_loader
from data_pipelines.sources import Subset
from data_pipelines.tables import PairTable
from gsn_jax.errors import InputError

CROP = 16  # of 20 x 24


def take(loader, count):
    batches = [next(loader) for _ in range(count)]
    loader.close()
    return batches


def assert_same(first, second):
    assert len(first) == len(second)
    for one, other in zip(first, second, strict=True):
        assert one.keys() == other.keys()
        for name in one:
            np.testing.assert_array_equal(one[name], other[name])


def pair_numbers(batches):
    """Which pair each example is, from its pixels."""
    return np.concatenate([batch["distorted"][:, 0, 0, 2] for batch in batches]).astype(int) - 100


def windows(batches):
    """Top, left and whether mirrored, of each example, from the reference's pixels."""
    images = np.concatenate([batch["reference"] for batch in batches]).astype(int)
    mirrored = images[:, 0, 0, 1] > images[:, 0, -1, 1]
    return images[:, 0, 0, 0], images[..., 1].min((1, 2)), mirrored


@pytest.fixture
def source(position_table):
    return PairTable(position_table())


def test_batches_have_the_promised_form(source):
    (batch,) = take(train_loader(source, batch_size=4, crop_size=CROP, seed=0), 1)
    forms = {name: (value.shape, value.dtype) for name, value in batch.items()}
    assert forms == {
        "reference": ((4, CROP, CROP, 3), np.uint8),
        "distorted": ((4, CROP, CROP, 3), np.uint8),
        "quality": ((4,), np.float32),
    }
    np.testing.assert_array_equal(batch["quality"], source.quality[pair_numbers([batch])])


def test_both_images_show_the_same_window(source):
    batches = take(train_loader(source, batch_size=5, crop_size=CROP, seed=3), 40)
    for batch in batches:
        np.testing.assert_array_equal(batch["reference"][..., :2], batch["distorted"][..., :2])
        expected = pair_numbers([batch]) % 3
        np.testing.assert_array_equal(batch["reference"][:, 0, 0, 2], expected)
    top, left, mirrored = windows(batches)
    assert set(top) == set(range(5))
    assert set(left) == set(range(9))
    assert 60 < mirrored.sum() < 140  # of 200; beyond 5 standard deviations of a fair coin
    rows, columns = np.mgrid[:CROP, :CROP]
    for i, batch in enumerate(batches):
        for j, image in enumerate(batch["reference"]):
            k = 5 * i + j
            across = columns[:, ::-1] if mirrored[k] else columns
            np.testing.assert_array_equal(image[..., 0], rows + top[k])
            np.testing.assert_array_equal(image[..., 1], across + left[k])


@pytest.mark.slow
def test_mirroring_is_shared_and_moves_no_window(source):
    plain = take(train_loader(source, batch_size=5, crop_size=CROP, seed=3, flip=False), 20)
    flipped = take(train_loader(source, batch_size=5, crop_size=CROP, seed=3), 20)
    assert not windows(plain)[2].any()
    seen = set()
    for one, other in zip(plain, flipped, strict=True):
        np.testing.assert_array_equal(other["reference"][..., :2], other["distorted"][..., :2])
        for before, after in zip(one["reference"], other["reference"], strict=True):
            mirrored = not np.array_equal(before, after)
            np.testing.assert_array_equal(before[:, ::-1] if mirrored else before, after)
            seen.add(mirrored)
    assert seen == {False, True}


def test_every_epoch_shows_every_pair_once_in_another_order(source):
    numbers = pair_numbers(take(train_loader(source, batch_size=4, crop_size=CROP, seed=1), 14))
    epochs = numbers.reshape(8, 7)
    for epoch in epochs:
        assert sorted(epoch) == list(range(7))
    assert len({tuple(epoch) for epoch in epochs}) > 4


def test_windows_differ_between_epochs_and_seeds(source):
    one = Subset(source, [0])
    tops = [
        tuple(windows(take(train_loader(one, batch_size=1, crop_size=8, seed=seed), 12))[1])
        for seed in range(3)
    ]
    assert len(set(tops)) == 3
    assert all(len(set(top)) > 4 for top in tops)


@pytest.mark.slow
def test_same_batches_on_any_number_of_workers_and_threads(source):
    def batches(**options):
        return take(train_loader(source, batch_size=3, crop_size=CROP, seed=5, **options), 7)

    expected = batches()
    assert_same(batches(num_threads=3), expected)
    assert_same(batches(cache_bytes=0), expected)
    assert_same(batches(num_workers=2), expected)


def test_resumed_run_sees_exactly_the_remaining_batches(source):
    settings = {"batch_size": 3, "crop_size": CROP, "seed": 5}
    expected = take(train_loader(source, **settings), 9)
    loader = train_loader(source, **settings)
    begun = [next(loader) for _ in range(4)]
    state = json.loads(json.dumps(loader.get_state()))
    [next(loader) for _ in range(2)]
    assert_same(begun, expected[:4])

    resumed = train_loader(source, **settings, num_threads=1)
    resumed.set_state(state)
    assert resumed.get_state() == state
    assert_same(take(resumed, 5), expected[4:])
    loader.set_state(state)  # the same object, too
    assert_same(take(loader, 5), expected[4:])


@pytest.mark.slow
def test_resume_with_worker_processes(source):
    settings = {"batch_size": 3, "crop_size": CROP, "seed": 5}
    expected = take(train_loader(source, **settings), 6)
    loader = train_loader(source, **settings, num_workers=1)
    loader.set_state(dict(train_loader(source, **settings).get_state(), next_batch=3))
    assert_same(take(loader, 3), expected[3:])


def test_a_position_of_other_data_or_settings_is_refused(source, position_table):
    settings = {"batch_size": 3, "crop_size": CROP, "seed": 5}
    state = train_loader(source, **settings).get_state()
    other = PairTable(position_table(pairs=8))
    for loader, word in (
        (train_loader(source, **{**settings, "seed": 6}), "seed"),
        (train_loader(source, **{**settings, "batch_size": 4}), "global_batch"),
        (train_loader(other, **settings), "pairs"),
        (train_loader(Subset(source, [1, 0, 2, 3, 4, 5, 6]), **settings), "source"),
    ):
        with pytest.raises(InputError, match=rf"has {word} "):
            loader.set_state(state)


def test_a_position_of_other_references_is_refused(source, position_table):
    settings = {"batch_size": 3, "crop_size": CROP, "seed": 5}
    state = train_loader(source, **settings).get_state()
    other = train_loader(PairTable(position_table(references=2)), **settings)
    with pytest.raises(InputError, match=r"has references \d+, but this run has \d+; resume"):
        other.set_state(state)
    # Versions up to 0.7.0 did not store them; the other checksum is as it was there.
    del state["references"]
    assert state["source"] == 1684118222
    other.set_state(state)
    assert other.get_state()["next_batch"] == 0


def test_processes_share_the_global_batch(source):
    settings = {"crop_size": CROP, "seed": 2}
    whole = take(train_loader(source, batch_size=6, **settings), 5)
    parts = [
        take(
            train_loader(source, batch_size=3, **settings, process_index=process, process_count=2),
            5,
        )
        for process in range(2)
    ]
    for k, batch in enumerate(whole):
        for name, value in batch.items():
            joined = np.concatenate([parts[0][k][name], parts[1][k][name]])
            np.testing.assert_array_equal(joined, value)


def test_a_run_may_resume_on_another_number_of_processes(source):
    one = train_loader(source, batch_size=6, crop_size=CROP, seed=2)
    expected = [next(one) for _ in range(3)][-1]
    state = dict(one.get_state(), next_batch=2)
    one.close()
    half = train_loader(
        source, batch_size=3, crop_size=CROP, seed=2, process_index=1, process_count=2
    )
    half.set_state(state)
    np.testing.assert_array_equal(take(half, 1)[0]["quality"], expected["quality"][3:])


def test_images_smaller_than_the_crop(source):
    with pytest.raises(InputError, match=r"d\d\.png: 24 x 20 is smaller than the crop of 21 x 21"):
        next(train_loader(source, batch_size=2, crop_size=21, seed=0))
    assert next(train_loader(source, batch_size=2, crop_size=20, seed=0))["quality"].shape == (2,)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "batch_size"),
        ({"crop_size": 0}, "crop_size"),
        ({"seed": -1}, "seed"),
        ({"num_workers": -1}, "num_workers"),
        ({"process_index": 1}, "process_index"),
    ],
)
def test_settings_out_of_range(source, options, message):
    with pytest.raises(InputError, match=message):
        train_loader(source, **{"batch_size": 2, "crop_size": CROP, "seed": 0, **options})
