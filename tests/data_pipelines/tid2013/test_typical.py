"""TID2013's levels on other photographs, and the published numbers they stand for."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from skimage import data

from data_pipelines.tid2013 import crops, published, typical
from data_pipelines.tid2013.fidelity import psnr
from gsn_jax.errors import InputError

_SEARCHED = [n for n, number in typical.NUMBERS.items() if typical.TYPICAL[number].psnr]


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return data.astronaut()[40:136, 180:276]


@pytest.mark.parametrize("name", _SEARCHED)
def test_a_photograph_gets_the_psnr_of_the_level(photo, name):
    level = 4 if name == "jpeg2000" else 2
    image = typical.distort(name, photo, level)
    assert image.shape == photo.shape
    assert image.dtype == np.uint8
    wanted = typical.TYPICAL[typical.NUMBERS[name]].psnr[level - 1]
    assert psnr(photo, image) == pytest.approx(wanted, abs=0.1)


def test_known_strengths_by_their_definition(photo):
    shifted = np.clip(photo.astype(int) - 20, 0, 255)
    np.testing.assert_array_equal(typical.distort("mean_shift", photo, 3), shifted)
    mean = photo.mean()
    raised = np.clip(np.rint((photo - mean) * 1.2 + mean), 0, 255)
    assert np.abs(typical.distort("contrast", photo, 2) - raised).max() <= 1
    coarse = typical.distort("quantisation", photo, 5)
    assert len(np.unique(coarse)) <= 256 // 76 + 2


def test_seeds_draw_noise_and_are_repeatable(photo):
    first, again, other = (typical.distort("white_noise", photo, 3, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.any(first != other)


def test_raised_contrast_is_not_minded_as_lowered_is():
    opinions = [typical.opinion("contrast", level) for level in range(1, 6)]
    assert min(opinions[1], opinions[3]) > max(opinions[::2])


def test_what_cannot_be_made_alike_is_refused(photo):
    for call in (typical.check, lambda name: typical.distort(name, photo, 1)):
        with pytest.raises(InputError, match="blocks: TID2013's levels are known only for"):
            call("blocks")


@pytest.mark.skipif("GSN_DATA" not in os.environ, reason="needs TID2013's table in $GSN_DATA")
def test_the_numbers_are_means_of_the_published_table():
    table = published.read(Path(os.environ["GSN_DATA"]) / "tables")
    scenes = sorted(set(crops.OFFSETS) - crops.RESERVED)
    for number, entry in typical.TYPICAL.items():
        for level in range(1, 6):
            rows = [table[scene, number, level] for scene in scenes]
            mean = np.mean([row.mos for row in rows])
            assert entry.mos[level - 1] == pytest.approx(mean, abs=0.0051)
            if entry.psnr:
                mean = np.mean([row.psnr for row in rows])
                assert entry.psnr[level - 1] == pytest.approx(mean, abs=0.051)
