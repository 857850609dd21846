"""PSNR, SSIM and GMSD of flat images, by hand."""

import numpy as np
import pytest

from data_pipelines.tid2013 import fidelity


def test_fidelity_measures_by_hand():
    reference = np.full((32, 32, 3), 100, np.uint8)
    shifted = reference + np.uint8(10)
    assert fidelity.psnr(reference, shifted) == pytest.approx(20 * np.log10(255 / 10))
    assert fidelity.psnr(reference, reference) == float("inf")
    c1 = (0.01 * 255) ** 2  # flat images: only the luminance term of SSIM is left
    expected = (2 * 100 * 110 + c1) / (100**2 + 110**2 + c1)
    assert fidelity.ssim(reference, shifted) == pytest.approx(expected)
    assert fidelity.gmsd(reference, reference) == 0
