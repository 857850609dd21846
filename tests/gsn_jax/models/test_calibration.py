import json

import jax
import numpy as np
import pytest

from gsn_jax.models.calibration import Calibration, fit


def logistic(x, b1, b2, b3, b4):
    return np.clip((b1 - b2) / (1 + np.exp(-(x - b3) / b4)) + b2, 0, 1)


def test_applies_the_logistic_and_clips():
    calibration = Calibration(b1=1.3, b2=-0.2, b3=0.4, b4=0.1)
    x = np.linspace(-1, 2, 31)
    np.testing.assert_allclose(
        calibration(np.float32(x)), logistic(x, 1.3, -0.2, 0.4, 0.1), atol=1e-6
    )


def test_anchored_fit_gives_identical_pairs_quality_one():
    raw = np.linspace(-1.5, 0.95, 200)
    quality = 0.1 + 0.75 / (1 + np.exp(-(raw - 0.2) / 0.3))
    calibration = fit(raw, quality, identity=1.0)
    assert float(calibration(np.float32(1.0))) >= 1 - 1e-6
    assert (np.diff(np.asarray(calibration(np.float32(raw)))) >= 0).all()
    assert np.abs(np.asarray(calibration(np.float32(raw))) - quality).mean() < 0.05


@pytest.mark.slow
def test_an_identical_pair_has_exactly_one_in_float32_too(rng):
    for _ in range(50):
        middle, width = rng.uniform(-1, 1.2), rng.uniform(0.05, 0.6)
        raw = np.linspace(rng.uniform(-3, 0), 0.95, 60)
        quality = logistic(raw, 1.0, rng.uniform(0, 0.2), middle, width)
        quality = np.clip(quality + rng.normal(scale=0.05, size=60), 0, 1)
        calibration = fit(raw, quality, identity=1.0)
        for evaluate in (calibration, jax.jit(calibration)):
            assert float(evaluate(np.float32(1.0))) == 1.0


def test_anchored_fit_recovers_a_curve_through_the_anchor():
    raw = np.linspace(-1.0, 1.0, 100)
    b1 = 1 + np.exp(-(1 - 0.3) / 0.2)
    quality = logistic(raw, b1, 0.0, 0.3, 0.2)
    calibration = fit(raw, quality, identity=1.0)
    np.testing.assert_allclose(calibration(np.float32(raw)), quality, atol=1e-4)


def test_an_anchored_fit_can_say_of_any_score_that_it_could_be_worse():
    """Labels that end at 0.4 leave no plateau there: what is worse still scores less."""
    raw = np.linspace(-1.5, 0.95, 200)
    quality = 0.4 + 0.5 / (1 + np.exp(-(raw - 0.2) / 0.1))
    calibration = fit(raw, quality, identity=1.0)
    assert calibration.b2 <= 0
    assert float(calibration(np.float32(-8.0))) < 0.1


def test_free_fit_recovers_a_curve():
    raw = np.linspace(-10, 30, 100)
    quality = logistic(raw, 0.9, 0.2, 8.0, 4.0)
    np.testing.assert_allclose(fit(raw, quality)(np.float32(raw)), quality, atol=1e-4)


@pytest.mark.parametrize("identity", [None, 1.0])
def test_scores_that_do_not_rise_with_quality_have_no_calibration(identity):
    assert fit([3.0, 2.0, 1.0, 0.0], [0.1, 0.2, 0.3, 0.4], identity=identity) is None
    assert fit([1.0, 1.0, 1.0], [0.1, 0.2, 0.3], identity=identity) is None


def test_survives_json():
    calibration = Calibration(1.0, 0.1, 0.2, 0.3)
    assert Calibration.from_dict(json.loads(json.dumps(calibration.to_dict()))) == calibration


@pytest.mark.parametrize("values", [(0.1, 0.2, 0, 1), (1, 0, 0, -1), (1, 0, float("nan"), 1)])
def test_a_falling_map_is_refused(values):
    with pytest.raises(ValueError, match="must be finite and rise"):
        Calibration(*values)
