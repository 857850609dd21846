"""Values against short float64 definitions, and against other implementations."""

import functools

import jax
import numpy as np
import numpy_definitions as definitions
import pytest
from large_metrics import marked

from gsn_jax import metrics
from gsn_jax.errors import InputError

SHORT = ["psnr", "psnr_y", "ssim", "ms_ssim", "vifp", "gmsd", "ms_gmsd", "mdsi", "haarpsi", "nlpd"]

# Computed in float64 from the pair of conftest.py by pyiqa 0.1.16 (`create_metric(name)`) or piq
# 0.8.0 (function of the same name; fsim with chromatic=False), torch 2.13. Tolerance: the reason
# beside it.
GOLDENS = [
    ("fsim", {}, 0.9466606092001287, 1e-5),  # piq
    ("fsimc", {}, 0.941455625374375, 2e-5),  # piq; I and Q rows with a fourth digit
    ("vsi", {}, 0.9814294565653985, 1e-4),  # piq; resizes without MATLAB's antialiasing
    ("iw_ssim", {"rounded": False}, 0.9638125158344926, 1e-4),  # piq; luma weights .299 .587 .114
    ("vif", {}, 0.6386989951133728, 1e-4),  # pyiqa; luma weights .299 .587 .114
    ("mad", {}, 60.60593021502268, 1e-6),  # pyiqa
    ("mdsi", {}, 0.3100873703584748, 1e-5),  # piq
    ("ms_gmsd", {}, 0.027027283701412795, 1e-5),  # piq
]


def compiled(name, **options):
    return jax.jit(functools.partial(getattr(metrics, name), **options))


@pytest.mark.parametrize("name", marked(SHORT))
def test_float64_definition(name, pair):
    if name == "nlpd":  # its definition wants sides that are multiples of 32
        pair = tuple(image[:160] for image in pair)
    expected = getattr(definitions, name)(*pair)
    np.testing.assert_allclose(compiled(name)(*pair), expected, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "options", "expected", "tolerance"), GOLDENS)
def test_other_implementations(name, options, expected, tolerance, pair):
    np.testing.assert_allclose(compiled(name, **options)(*pair), expected, rtol=tolerance)


def test_weighted_sum_of_scales(pair):
    x, y = (definitions.luma(image) for image in pair)
    weights, terms = np.array([0.0448, 0.2856, 0.3001, 0.2363, 0.1333]), []
    for scale in range(5):
        luminance, term = definitions.ssim_terms(x, y)
        terms.append((luminance * term if scale == 4 else term).mean())
        x, y = definitions.halve(x, "symmetric"), definitions.halve(y, "symmetric")
    score = compiled("ms_ssim", pooling="sum")(*pair)
    np.testing.assert_allclose(score, weights @ terms / weights.sum(), rtol=1e-5)


def test_an_unknown_pooling_is_refused(pair):
    with pytest.raises(InputError, match="pooling must be 'product' or 'sum', not 'mean'"):
        metrics.ms_ssim(*pair, pooling="mean")


def test_decimated_ssim(pair):
    # 400 pixels are decimated by round(400 / 256) = 2.
    x, y = (np.tile(image, (3, 3, 1))[:400, :420] for image in pair)
    planes = [definitions.halve(definitions.luma(image), "symmetric") for image in (x, y)]
    luminance, contrast = definitions.ssim_terms(*planes)
    score = compiled("ssim", downsample=True)(x, y)
    np.testing.assert_allclose(score, (luminance * contrast).mean(), rtol=1e-5)


def test_corrected_mad_grows_with_the_distortion():
    reference = np.full((64, 64, 3), 0.5, np.float32)
    noise = np.random.default_rng(0).normal(size=(64, 64, 1)).astype(np.float32)
    score = compiled("mad", corrected=True)
    weak, strong = (float(score(reference, reference + s * noise)) for s in (0.02, 0.08))
    assert 0 == float(score(reference, reference)) < weak < strong
