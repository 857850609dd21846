"""Bjøntegaard deltas against the library, the memo VCEG-M33 and closed forms; intervals."""

import bjontegaard
import numpy as np
import pytest
from scipy import stats

from gsn_jax.rate_distortion import deltas
from gsn_jax.rate_distortion.curves import make_curve

# The example that implementations of VCEG-M33 share: bit rates and PSNR of two codecs.
RATE_1 = [686.76, 309.58, 157.11, 85.95]
PSNR_1 = [40.28, 37.18, 34.24, 31.42]
RATE_2 = [893.34, 407.80, 204.93, 112.75]
PSNR_2 = [40.39, 37.21, 34.17, 31.24]


def curve(rates, scores, *, higher=True):
    return make_curve(rates, scores, [str(r) for r in rates], higher_is_better=higher)


def memo(x_1, y_1, x_2, y_2):
    """VCEG-M33: cubic polynomials through four points, their mean difference in closed form."""
    low, high = max(min(x_1), min(x_2)), min(max(x_1), max(x_2))
    integrals = [
        np.diff(np.polyval(np.polyint(np.polyfit(x, y, 3)), [low, high]))[0]
        for x, y in ((x_1, y_1), (x_2, y_2))
    ]
    return (integrals[1] - integrals[0]) / (high - low)


@pytest.mark.parametrize("method", ["pchip", "akima", "cubic"])
def test_equals_the_library(method):
    anchor, test = curve(RATE_1, PSNR_1), curve(RATE_2, PSNR_2)
    options = {"method": method, "higher_is_better": True}
    library = [RATE_1[::-1], PSNR_1[::-1], RATE_2[::-1], PSNR_2[::-1], method]
    rate = deltas.bd_rate(anchor, test, **options).value
    score = deltas.bd_score(anchor, test, **options).value
    assert rate == pytest.approx(bjontegaard.bd_rate(*library), abs=1e-9)
    assert score == pytest.approx(bjontegaard.bd_psnr(*library), abs=1e-9)


def test_equals_the_memo():
    """31.397 % and -1.1849 dB; pchip is within 0.02 % of it on these smooth curves."""
    anchor, test = curve(RATE_1, PSNR_1), curve(RATE_2, PSNR_2)
    log_1, log_2 = np.log10(RATE_1), np.log10(RATE_2)
    rate = 100 * (10 ** memo(PSNR_1, log_1, PSNR_2, log_2) - 1)
    score = memo(log_1, PSNR_1, log_2, PSNR_2)
    options = {"method": "cubic", "higher_is_better": True}
    assert deltas.bd_rate(anchor, test, **options).value == pytest.approx(rate, abs=1e-3)
    assert deltas.bd_score(anchor, test, **options).value == pytest.approx(score, abs=1e-3)
    assert rate == pytest.approx(31.397, abs=1e-3)
    assert score == pytest.approx(-1.1849, abs=1e-3)
    assert deltas.bd_rate(anchor, test, higher_is_better=True).value == pytest.approx(
        rate, abs=0.05
    )


@pytest.mark.parametrize("higher", [True, False])
def test_a_codec_of_half_the_bytes(higher):
    scores = np.array([1.0, 3.0, 4.0, 9.0]) * (1 if higher else -1)
    anchor = curve([1, 2, 4, 8], scores, higher=higher)
    test = curve([0.5, 1, 2, 4], scores, higher=higher)
    options = {"higher_is_better": higher}
    assert deltas.bd_rate(anchor, test, **options).value == pytest.approx(-50)
    assert deltas.saving_at(anchor, test, scores[1], **options).value == pytest.approx(-50)
    assert deltas.rate_at(test, scores[1], **options) == pytest.approx(1)
    better = deltas.bd_score(anchor, test, **options).value
    assert (better > 0) == higher
    rates, drawn = deltas.log_rate_curve(test, **options)
    assert rates[[0, -1]] == pytest.approx([0.5, 4])
    assert drawn[[0, -1]] == pytest.approx(scores[[0, -1]])


def test_no_number_where_there_is_none():
    good = curve([1, 2, 3, 4], [1, 2, 3, 4])
    above = curve([1, 2, 3, 4], [5, 6, 7, 8])
    later = curve([5, 6, 7, 8], [1, 2, 3, 4])
    short = curve([1, 2, 3], [1, 2, 3])
    options = {"higher_is_better": True}
    for found, problem in (
        (deltas.bd_rate(good, above, **options), deltas.NO_OVERLAP),
        (deltas.bd_score(good, later, **options), deltas.NO_RATE_OVERLAP),
        (deltas.bd_rate(good, short, **options), short.problem),
        (deltas.saving_at(good, later, 4.5, **options), deltas.OUT_OF_RANGE),
    ):
        assert np.isnan(found.value)
        assert found.problem == problem
    assert np.isnan(deltas.rate_at(good, 5, **options))


def test_mean_over_photographs_says_what_is_left_out():
    anchor = {name: curve([1, 2, 3, 4], [1, 2, 3, 4]) for name in "abcdef"}
    test = {name: curve(np.array([1, 2, 3, 4]) * k, [1, 2, 3, 4]) for k, name in enumerate("xabcd")}
    test["e"] = curve([1, 2, 3, 4], [1, 3, 2, 4])
    del test["x"]

    def delta(first, second):
        return deltas.bd_rate(first, second, higher_is_better=True)

    found = deltas.over_images(anchor, test, delta)
    assert found.by_image == pytest.approx({"a": 0, "b": 100, "c": 200, "d": 300})
    assert found.value == pytest.approx(150)
    assert found.images == 4
    assert found.left_out == {deltas.MISSING: 1, test["e"].problem: 1}
    assert np.isnan(found.low)  # four photographs are too few for an interval


def test_interval_of_normal_data_is_the_t_interval(rng):
    values = rng.normal(-30, 5, size=40)
    low, high = deltas.mean_interval(values, resamples=20_000)
    expected = stats.t.interval(0.95, 39, values.mean(), stats.sem(values))
    assert [low, high] == pytest.approx(expected, abs=0.1 * stats.sem(values))


@pytest.mark.slow
@pytest.mark.parametrize("count", [5, 8, 20, 50])
@pytest.mark.parametrize("skew", [0.0, 0.3, 0.6])
def test_intervals_cover_the_true_mean(rng, count, skew):
    """95 % nominal; log-normal differences in bytes are skewed as those of photographs are."""
    ends = np.array([deltas.mean_interval(row, resamples=500) for row in values(rng, count, skew)])
    covered = np.mean((ends[:, 0] <= -30) & (ends[:, 1] >= -30))
    # 92 to 98 % are wanted; 2 % are three standard deviations of this simulation.
    assert 0.91 <= covered <= 0.98


def values(rng, count, skew, repeats=1000):
    if not skew:
        return rng.normal(-30, 8, size=(repeats, count))
    draws = np.exp(skew * rng.normal(size=(repeats, count)))
    return -30 + 8 / skew * (draws - np.exp(skew**2 / 2))


def test_jackknife_interval_of_a_mean_is_that_of_the_mean(rng):
    values = rng.gamma(2.0, size=9)

    def mean(weights):
        return np.average(values, weights=weights)

    found = deltas.jackknife_interval(mean, 9)
    assert found == pytest.approx(deltas.mean_interval(values), rel=1e-9)
    assert np.isnan(deltas.jackknife_interval(mean, 4)).all()
    assert np.isnan(deltas.jackknife_interval(mean, 9, resamples=0)).all()


def test_interval_of_equal_values_is_a_point():
    assert deltas.mean_interval(np.full(8, -30.0)) == (-30, -30)
