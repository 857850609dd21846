"""The search for a distortion that has a stated score."""

import model_card_picture
import numpy as np
import pytest

from data_pipelines import distortions


@pytest.mark.parametrize("wanted", [0.9, 0.5])
def test_a_strength_is_found_for_a_score(photo, wanted):
    def score(image):
        return 1 - np.std(np.float64(image) - photo) / 100

    entry = distortions.get("white_noise")
    image, strength, found = model_card_picture.find(entry, photo, score, wanted)
    assert found == score(image) == pytest.approx(wanted, abs=0.01)
    np.testing.assert_array_equal(image, entry(photo, strength=strength))


def test_a_score_that_no_strength_gives_gets_the_nearest(photo):
    entry = distortions.get("gaussian_blur")

    def score(image):
        return 1 - np.std(np.float64(image) - photo) / 500

    strongest = entry(photo, strength=entry.strengths[-1])
    _, strength, found = model_card_picture.find(entry, photo, score, 0.1)
    assert 0.1 < found < score(strongest)
    assert strength > entry.strengths[-1]
