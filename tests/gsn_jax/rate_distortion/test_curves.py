"""Curves: order, what cannot be interpolated, means over photographs, the Pareto front."""

from pathlib import Path

import numpy as np
import pytest

from gsn_jax.rate_distortion import curves
from gsn_jax.rate_distortion.encodings import Encoding, Study
from gsn_jax.scoring.pairs import Pair


def curve(rates, scores, *, higher=True):
    names = [f"s{k}" for k in range(len(rates))]
    return curves.make_curve(rates, scores, names, higher_is_better=higher)


def study(points, *, higher=True):
    """A study from rows (image, codec, setting, bytes, score) of 1000-pixel photographs."""
    encodings = [
        Encoding(Pair(image, "-", Path(image), Path("-")), codec, setting, size, 1000)
        for image, codec, setting, size, _ in points
    ]
    scores = {"m": np.asarray([point[4] for point in points], float)}
    return Study(encodings, {"m": higher}, scores, [""] * len(points))


def test_points_are_sorted_by_rate():
    found = curve([4, 1, 3, 2], [40, 10, 30, 20])
    assert found.rates.tolist() == [1, 2, 3, 4]
    assert found.settings == ("s1", "s3", "s2", "s0")
    assert not found.problem


@pytest.mark.parametrize(
    ("rates", "scores", "higher", "problem"),
    [
        ([1, 2, 3], [1, 2, 3], True, curves.TOO_FEW),
        ([1, 2, 3, np.nan], [1, 2, 3, 4], True, curves.TOO_FEW),
        ([1, 2, 3, 4], [1, 2, 3, np.inf], True, curves.TOO_FEW),
        ([1, 2, 3, 4], [1, 3, 2, 4], True, curves.NOT_MONOTONE),
        ([1, 2, 3, 4], [1, 2, 2, 4], True, curves.NOT_MONOTONE),
        ([1, 2, 2, 4], [1, 2, 3, 4], True, curves.NOT_MONOTONE),
        ([1, 2, 3, 4], [1, 2, 3, 4], False, curves.NOT_MONOTONE),
        ([1, 2, 3, 4], [4, 3, 2, 1], False, ""),
    ],
)
def test_what_cannot_be_interpolated(rates, scores, higher, problem):
    assert curve(rates, scores, higher=higher).problem == problem


def test_settings_with_equal_files_count_once():
    found = curve([1, 2, 2, 3, 4], [1, 2, 2, 3, 4])
    assert not found.problem
    assert found.rates.tolist() == [1, 2, 3, 4]


def test_mean_curve_leaves_incomplete_photographs_out():
    points = [
        (image, "a", f"q{q}", 125 * q * (1 + k), q + k)
        for k, image in enumerate(("x", "y", "z"))
        for q in (1, 2, 3, 4)
        if (image, q) != ("z", 3)
    ]
    mean = curves.mean_curves(study(points), "m")["a"]
    # Of x and y: rates q and 2q bits per pixel, scores q and q + 1.
    np.testing.assert_allclose(mean.rates, [1.5, 3.0, 4.5, 6.0])
    np.testing.assert_allclose(mean.scores, [1.5, 2.5, 3.5, 4.5])


def test_mean_curves_are_of_the_same_photographs():
    points = [
        (image, codec, f"q{q}", 125 * q * (1 + k), q + k)
        for k, image in enumerate(("x", "y", "z"))
        for codec in ("a", "b", "none")
        for q in (1, 2, 3, 4)
        if (codec, image, q) != ("b", "z", 3) and (codec != "none" or q == 1 + k)
    ]
    means = curves.mean_curves(study(points), "m")
    np.testing.assert_allclose(means["a"].rates, [1.5, 3.0, 4.5, 6.0])
    np.testing.assert_allclose(means["b"].scores, means["a"].scores)
    assert means["none"].problem == curves.INCOMPLETE


def test_no_complete_photograph():
    points = [("x", "a", "q1", 10, 1.0), ("y", "a", "q2", 20, 2.0)]
    assert curves.mean_curves(study(points), "m")["a"].problem == curves.INCOMPLETE


@pytest.mark.parametrize("higher", [True, False])
def test_pareto_front(higher):
    sign = 1 if higher else -1
    found = curves.pareto_front(
        {
            "good": curve([1, 2, 4, 8], sign * np.array([1, 3, 5, 7]), higher=higher),
            "bad": curve([1.5, 3, 5, 10], sign * np.array([0.5, 2, 4, 9]), higher=higher),
        },
        higher_is_better=higher,
    )
    assert found == {"good": {"s0", "s1", "s2", "s3"}, "bad": {"s3"}}


@pytest.mark.parametrize(
    ("rates", "scores"), [([1, 2, 4, 8], [0, 2, 4, 6]), ([2, 3, 5, 9], [1, 3, 5, 7])]
)
def test_as_many_bytes_or_as_good_a_score_is_enough_to_dominate(rates, scores):
    found = curves.pareto_front(
        {
            "better": curve([1, 2, 4, 8], np.array([1, 3, 5, 7]), higher=True),
            "worse": curve(rates, np.array(scores), higher=True),
        },
        higher_is_better=True,
    )
    assert found == {"better": {"s0", "s1", "s2", "s3"}, "worse": set()}
