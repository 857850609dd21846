"""The search for a strength, on distortions whose law is known."""

import numpy as np
import pytest

from data_pipelines.tid2013 import matching


@pytest.mark.parametrize("target", [45.0, 33.0, 24.0, 12.0])
def test_matching_finds_the_strength_of_a_known_law(target):
    reference = np.zeros((64, 64, 3), np.uint8)

    def distort(strength: float) -> np.ndarray:
        # a share of the pixels is off by one step: PSNR follows the strength almost smoothly
        share = np.linspace(0, 1, reference.size).reshape(reference.shape)
        return np.where(share < strength % 1, np.floor(strength) + 1, np.floor(strength)).astype(
            np.uint8
        )

    match = matching.match_psnr(distort, reference, target, (0.05, 200.0))
    assert match.psnr == pytest.approx(target, abs=0.01)
    # PSNR t means a root mean square error of 255 * 10^(-t / 20)
    assert match.strength == pytest.approx(255 * 10 ** (-target / 20), rel=0.2)


def test_matching_ends_at_a_jump_and_outside_the_bounds():
    reference = np.zeros((16, 16, 3), np.uint8)

    def steps(strength: float) -> np.ndarray:
        return np.full_like(reference, 10 if strength < 3 else 40)

    low, high = 20 * np.log10(255 / 40), 20 * np.log10(255 / 10)
    assert matching.match_psnr(steps, reference, low + 1, (1, 9)).psnr == pytest.approx(low)
    assert matching.match_psnr(steps, reference, 60, (1, 9)).psnr == pytest.approx(high)
