import numpy as np
import pytest
from scipy import stats

from gsn_jax import agreement


@pytest.fixture
def pairs(rng):
    scores = rng.uniform(1, 9, size=60)
    return scores + rng.normal(size=60), scores


def test_correlations_are_scipys(pairs):
    assert agreement.plcc(*pairs) == pytest.approx(stats.pearsonr(*pairs).statistic)
    assert agreement.srcc(*pairs) == pytest.approx(stats.spearmanr(*pairs).statistic)
    assert agreement.krcc(*pairs) == pytest.approx(stats.kendalltau(*pairs).statistic)


def test_by_hand():
    predictions, scores = [1.0, 2.0, 3.0, 4.0], [1.0, 3.0, 2.0, 4.0]
    assert agreement.srcc(predictions, scores) == pytest.approx(1 - 6 * 2 / (4 * 15))
    assert agreement.krcc(predictions, scores) == pytest.approx((5 - 1) / 6)
    assert agreement.plcc(predictions, scores) == pytest.approx(0.8)
    assert agreement.rmse(predictions, scores) == pytest.approx(np.sqrt(2 / 4))


def test_ties_share_their_rank():
    # Ranks 1.5, 1.5, 3 against 1, 2, 3.
    assert agreement.srcc([1, 1, 2], [1, 2, 3]) == pytest.approx(1.5 / np.sqrt(1.5 * 2))


def test_main_score_takes_a_distance_as_it_is(pairs):
    predictions, scores = pairs
    want = stats.pearsonr(*pairs).statistic + stats.spearmanr(*pairs).statistic
    assert agreement.main_score(-predictions, scores) == pytest.approx(want)


def test_a_constant_has_no_correlation():
    for statistic in (agreement.plcc, agreement.srcc, agreement.krcc):
        assert np.isnan(statistic([2, 2, 2], [1, 2, 3]))


@pytest.mark.parametrize("direction", [1, -1])
@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e4])
def test_logistic_fit_finds_the_curve_it_was_given(direction, scale):
    x = np.linspace(-3, 4, 40)
    b1, b2 = (8.0, 2.0) if direction > 0 else (2.0, 8.0)
    y = (b1 - b2) / (1 + np.exp(-(x - 0.7) / 0.9)) + b2
    fit = agreement.logistic_fit(x * scale + 5, y)
    assert fit.converged
    np.testing.assert_allclose(fit(x * scale + 5), y, atol=1e-4)
    np.testing.assert_allclose(fit.parameters, (b1, b2, 0.7 * scale + 5, 0.9 * scale), rtol=1e-2)


def test_logistic_fit_is_a_least_squares_fit(pairs):
    """No small change of any parameter lowers the error."""
    predictions, scores = pairs
    fit = agreement.logistic_fit(predictions, scores)
    best = np.sum((fit(predictions) - scores) ** 2)
    for index in range(4):
        for factor in (0.99, 1.01):
            changed = list(fit.parameters)
            changed[index] *= factor
            other = agreement.LogisticFit(tuple(changed), True)
            assert np.sum((other(predictions) - scores) ** 2) >= best - 1e-6
    assert agreement.plcc(fit(predictions), scores) >= agreement.plcc(predictions, scores) - 1e-3


@pytest.mark.parametrize(
    ("predictions", "scores"),
    [([1, 1, 1, 1], [1, 2, 3, 4]), ([1, 2, 3], [5, 5, 5]), ([1, 2], [1, 2])],
)
def test_logistic_fit_of_what_has_no_curve_says_so(predictions, scores):
    fit = agreement.logistic_fit(predictions, scores)
    assert not fit.converged
    np.testing.assert_allclose(fit(predictions), np.mean(scores))


def test_bootstrap_draws_whole_references(rng):
    """Two contents that each agree perfectly but contradict one another: pairs say little."""
    predictions = np.concatenate([np.arange(50.0), np.arange(50.0)])
    scores = np.concatenate([np.arange(50.0), -np.arange(50.0)])
    groups = ["a"] * 50 + ["b"] * 50
    low, high = agreement.bootstrap_ci(agreement.srcc, predictions, scores, groups)
    assert (low, high) == pytest.approx((-1, 1))
    low, high = agreement.bootstrap_ci(agreement.srcc, predictions, scores)
    assert -0.5 < low < high < 0.5


@pytest.mark.slow
def test_bootstrap_interval_covers_the_truth(rng):
    """Of many samples of correlated normals, about 95 % of the intervals hold the correlation."""
    truth, covered = 0.6, 0
    for seed in range(60):
        x = rng.normal(size=80)
        y = truth * x + np.sqrt(1 - truth**2) * rng.normal(size=80)
        low, high = agreement.bootstrap_ci(agreement.plcc, x, y, resamples=200, seed=seed)
        covered += low <= truth <= high
    assert 50 <= covered <= 60


def test_bootstrap_is_reproducible_and_needs_two_groups(pairs):
    first = agreement.bootstrap_ci(agreement.srcc, *pairs, seed=3, resamples=50)
    assert first == agreement.bootstrap_ci(agreement.srcc, *pairs, seed=3, resamples=50)
    assert np.isnan(agreement.bootstrap_ci(agreement.srcc, *pairs, ["a"] * 60)).all()
    with pytest.raises(ValueError, match="groups must have shape"):
        agreement.bootstrap_ci(agreement.srcc, *pairs, ["a"] * 3)


@pytest.mark.parametrize(
    ("predictions", "scores", "message"),
    [
        ([1, 2, 3], [1, 2], "the same length"),
        ([[1], [2]], [[1], [2]], "the same length"),
        ([1], [1], "at least two"),
        ([1, np.nan, 3], [1, 2, 3], "predictions contain nan at row 1"),
        ([1, 2, 3], [1, 2, np.inf], "scores contain inf at row 2"),
    ],
)
def test_what_cannot_be_compared_is_refused(predictions, scores, message):
    for statistic in (agreement.srcc, agreement.rmse, agreement.logistic_fit):
        with pytest.raises(ValueError, match=message):
            statistic(predictions, scores)


def test_a_percentile_interval_leaves_half_of_the_rest_at_each_end():
    assert agreement.percentile_interval(np.arange(101.0), 0.9) == pytest.approx((5, 95))
