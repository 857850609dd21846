import numpy as np
import pytest
from scipy import stats

from gsn_jax import agreement
from gsn_jax.benchmark.bootstrap import ContentBootstrap

SCIPYS = {"plcc": stats.pearsonr, "srcc": stats.spearmanr, "krcc": stats.kendalltau}


@pytest.fixture
def sample(rng):
    """Scores with ties, of contents of unequal size in no order."""
    opinion = rng.integers(0, 12, size=40).astype(float)
    scores = np.round(opinion + rng.normal(scale=4, size=40))
    return scores, opinion, rng.integers(0, 6, size=40)


@pytest.mark.parametrize("name", SCIPYS)
@pytest.mark.parametrize("some", [False, True])
def test_each_sample_is_scipys_value_of_the_pairs_written_out(sample, name, some, rng):
    scores, opinion, contents = sample
    rows = rng.uniform(size=40) < 0.6 if some else np.ones(40, bool)
    scores = np.where(rows, scores, np.nan)
    bootstrap = ContentBootstrap(contents, 30, seed=3)
    found = getattr(bootstrap, name)(scores, opinion, rows)
    for counts, value in zip(bootstrap.counts, found, strict=True):
        drawn = np.repeat(np.arange(40)[rows], counts[contents[rows]])
        want = SCIPYS[name](scores[drawn], opinion[drawn]).statistic
        assert value == pytest.approx(want, abs=1e-12, nan_ok=True)


def test_many_pairs_are_taken_in_turns(sample, monkeypatch):
    scores, opinion, contents = sample
    whole = ContentBootstrap(contents, 20).srcc(scores, opinion)
    monkeypatch.setattr("gsn_jax.benchmark.bootstrap._CHUNK", 100)
    np.testing.assert_array_equal(ContentBootstrap(contents, 20).srcc(scores, opinion), whole)


@pytest.mark.parametrize("name", SCIPYS)
def test_a_constant_has_no_interval(sample, name):
    _, opinion, contents = sample
    samples = getattr(ContentBootstrap(contents, 10), name)(np.full(40, 0.1), opinion)
    assert np.isnan(samples).all()
    assert np.isnan(agreement.percentile_interval(samples)).all()


@pytest.mark.parametrize("name", SCIPYS)
def test_intervals_are_those_of_bootstrap_ci(sample, name):
    scores, opinion, contents = sample
    want = agreement.bootstrap_ci(
        getattr(agreement, name), scores, opinion, contents, resamples=40, seed=7
    )
    samples = getattr(ContentBootstrap(contents, 40, seed=7), name)(scores, opinion)
    assert agreement.percentile_interval(samples) == pytest.approx(want)


def test_draws_as_many_contents_as_there_are():
    bootstrap = ContentBootstrap(["a", "b", "a", "c"], 50)
    assert bootstrap.counts.shape == (50, 3)
    assert (bootstrap.counts.sum(axis=1) == 3).all()
    assert agreement.percentile_interval(np.arange(101.0)) == pytest.approx((2.5, 97.5))
