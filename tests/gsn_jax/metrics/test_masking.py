"""Scores under masks against float64 definitions."""

import jax
import metric_pairs
import numpy as np
import numpy_definitions as definitions
import pytest
import skimage.color
from large_metrics import marked

from gsn_jax import metrics
from gsn_jax.errors import InputError
from gsn_jax.metrics import _cvvdp, canvas, displays, masking
from gsn_jax.scoring.regions import takes_masks

MASKED = (
    *("psnr", "psnr_y", "ssim", "gmsd", "mdsi", "haarpsi", "fsim", "fsimc", "vsi"),
    *("psnr_hvs", "psnr_hvs_m", "ciede2000", "flip", "sr_sim", "butteraugli", "butteraugli_3norm"),
    "cvvdp",
)
PAIR = metric_pairs.floats(metric_pairs.pairs()["noise"])
SIZE = PAIR[0].shape[:2]


def under(name, *masks):
    return metrics.get(name).score_regions(*PAIR, masks)


def halves(column=96):
    left = np.zeros(SIZE, np.float32)
    left[:, :column] = 1
    return left, 1 - left


@pytest.fixture
def soft(rng):
    """A smooth mask, from 0 to 1."""
    rows, columns = np.indices(SIZE)
    mask = np.clip(np.sin(rows / 30) * np.cos(columns / 25) + rng.random(SIZE) / 5, 0, 1)
    return np.float32(mask)


def mean(values, weights):
    return (values * weights).sum() / weights.sum()


def halved(mask):
    return np.float64(mask).reshape(SIZE[0] // 2, 2, SIZE[1] // 2, 2).mean((1, 3))


def definition(name, mask):
    x, y = (np.float64(image) for image in PAIR)
    mask = np.float64(mask)
    if name == "psnr":
        return -10 * np.log10(mean(((x - y) ** 2).mean(-1), mask))
    lumas = [definitions.luma(image) for image in PAIR]
    if name == "psnr_y":
        return 10 * np.log10(255**2 / mean((lumas[0] - lumas[1]) ** 2, mask))
    if name == "ssim":
        luminance, contrast = definitions.ssim_terms(*lumas)
        inside = mask.copy()  # windows at the border stand for the pixels beyond their centres
        for _ in range(2):
            inside[5], inside[-6] = inside[:6].mean(0), inside[-6:].mean(0)
            inside = inside[5:-5].T
        return mean(luminance * contrast, inside)
    if name == "ciede2000":
        return mean(skimage.color.deltaE_ciede2000(*map(skimage.color.rgb2lab, (x, y))), mask)
    if name == "gmsd":
        gradients = [definitions.magnitude(definitions.halve(luma)) for luma in lumas]
        local, weights = definitions.alike(*gradients, 170), halved(mask)
        spread = mean((local - mean(local, weights)) ** 2, weights)
        share = (weights**2).sum() / weights.sum() ** 2
        return np.sqrt(spread / (1 - share))
    if name == "mdsi":
        root = definitions.mdsi_root(*PAIR)
        return mean(np.abs(root - mean(root, mask)), mask) ** 0.25
    local, own = definitions.haarpsi_terms(*PAIR)
    return definitions.haarpsi_pooled(local, own * halved(mask))


@pytest.mark.parametrize("name", ["psnr", "psnr_y", "ssim", "ciede2000", "gmsd", "mdsi", "haarpsi"])
def test_float64_definition(name, soft):
    left, _ = halves()
    got = under(name, soft, left)
    np.testing.assert_allclose(got, [definition(name, m) for m in (soft, left)], rtol=2e-5)


@pytest.mark.slow
def test_butteraugli_pools_what_the_mask_leaves(soft):
    left, _ = halves()
    distances = np.float64(metrics.get("butteraugli").quality_map(*PAIR))
    assert under("butteraugli", left, soft) == pytest.approx(
        [distances[:, :96].max(), distances[soft > 0].max()], rel=1e-6
    )
    norms = [
        np.mean([mean(distances**p, mask) ** (1 / p) for p in (3, 6, 12)]) for mask in (left, soft)
    ]
    np.testing.assert_allclose(under("butteraugli_3norm", left, soft), norms, rtol=1e-5)


@pytest.mark.slow
def test_cvvdp_weighs_the_squares_of_each_band(soft):
    """Norms over positions, then bands, then colours, with e = 1e-5 added before each power."""
    parts = jax.jit(_cvvdp._differences, static_argnums=2)
    differences, base, sizes = parts(*PAIR, displays.DISPLAYS["standard_4k"])
    bands = canvas.taken(differences, sizes, 2 * _cvvdp.RADIUS)
    e, norms, weights = 1e-5, [], np.float64(soft)
    for band in map(np.float64, (*bands, base)):
        mean_square = (weights * ((band + e) ** 2 - e**2)).sum((1, 2)) / weights.sum()
        norms.append((mean_square + e) ** 0.5 - e**0.5)
        rows, columns = (-(-side // 2) for side in weights.shape)
        padded = np.pad(weights, [(0, side % 2) for side in weights.shape], mode="edge")
        weights = padded.reshape(rows, 2, columns, 2).mean((1, 3))

    def norm_4(values, axis):
        return (((values + e) ** 4 - e**4).sum(axis) + e) ** 0.25 - e**0.25

    norms[-1] = norms[-1] * _cvvdp.BASE_WEIGHTS
    difference = _cvvdp.STILL * norm_4(norm_4(np.array(norms), 0), 0)
    expected = 10 - _cvvdp.JOD_SCALE * difference**_cvvdp.JOD_EXPONENT
    assert under("cvvdp", soft) == pytest.approx([expected], abs=1e-5)


def test_with_weights_of_0_and_1_the_deviation_is_that_of_the_values_left(rng):
    values = rng.random((6, 7)).astype(np.float32)
    chosen = rng.random((6, 7)) < 0.4
    weights = np.float32(chosen)
    for unbiased in (True, False):
        got = masking.deviation(values, weights, unbiased=unbiased)
        np.testing.assert_allclose(got, np.std(values[chosen], ddof=int(unbiased)), rtol=1e-5)
    alone = np.zeros((6, 7), np.float32)
    alone[2, 3] = 0.3
    assert masking.deviation(values, alone, unbiased=True) == pytest.approx(0, abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["flip", "psnr_hvs", "psnr_hvs_m"])
def test_parts_add_up_by_their_areas(name):
    left, right = halves(64)
    scores = np.array([*under(name, left, right), float(metrics.get(name)(*PAIR))])
    errors = 10 ** (-scores / 10) if name.startswith("psnr") else scores
    np.testing.assert_allclose((errors[0] + 2 * errors[1]) / 3, errors[2], rtol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["fsim", "fsimc", "vsi", "sr_sim"])
def test_the_metrics_own_weights_count_as_well(name):
    """The ratio of the halves' own weights follows from three scores, and then gives a fourth."""
    left, right = halves()
    soft = np.float32(left + 0.25 * right)
    first, second, mixed = under(name, left, right, soft)
    plain = float(metrics.get(name)(*PAIR))
    assert min(first, second) < plain < max(first, second)
    ratio = (plain - second) / (first - plain)  # of the weights: left over right
    expected = (ratio * first + 0.25 * second) / (ratio + 0.25)
    assert mixed == pytest.approx(expected, abs=0.02 * abs(first - second))


@pytest.mark.parametrize("name", marked(MASKED))
def test_equal_weights_change_nothing_and_equal_images_are_best(name):
    metric = metrics.get(name)
    assert metric.takes_masks
    ones = np.ones(SIZE, np.float32)
    plain = float(metric(*PAIR))
    np.testing.assert_allclose(under(name, ones, ones / 2), plain, rtol=2e-5, atol=1e-7)
    best = metric.value_range[1 if metric.higher_is_better else 0]
    best = np.inf if name.startswith("psnr") else best
    assert metric.score_regions(PAIR[0], PAIR[0], [halves()[0]]) == [best]


def test_many_large_masks_are_weighed_in_parts(monkeypatch):
    masks = [*halves(), *halves(32)]
    together = under("psnr", *masks)
    monkeypatch.setattr("gsn_jax.metric.function_metric._WEIGHTS_AT_ONCE", SIZE[0] * SIZE[1])
    np.testing.assert_allclose(under("psnr", *masks), together, rtol=1e-6)


def test_methods_that_do_not_pool_local_values_refuse_masks():
    others = set(metrics.names()) - {*MASKED, "lpips_alex", "lpips_vgg"}
    assert len(others) == 16
    for name in others:
        assert not takes_masks(metrics.get(name))
    with pytest.raises(InputError, match="metric 'ms_ssim' cannot be used with a mask"):
        under("ms_ssim", *halves())


def test_masked_functions_are_pure():
    function = metrics.get("psnr").masked
    left, _ = halves()
    gradient = jax.jit(jax.grad(function, 1))(*PAIR, left)
    assert np.isfinite(gradient).all()
    assert (gradient[:, 96:] == 0).all()
