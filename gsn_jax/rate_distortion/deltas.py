"""Bjøntegaard deltas of a codec against an anchor, by the library `bjontegaard`.

They are computed for each photograph, on the range that both curves cover, and then averaged. The
intervals are bootstrap intervals over photographs.
"""

from __future__ import annotations

import collections
import dataclasses
import functools
import importlib
import math
import warnings
from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from gsn_jax import agreement
from gsn_jax.errors import InputError
from gsn_jax.rate_distortion.curves import Curve

# How the library interpolates. "cubic" is the polynomial of the original memo, VCEG-M33, which can
# leave the range of its points; pchip cannot.
Method = Literal["pchip", "akima", "cubic"]

NO_OVERLAP = "the curves share no range of scores"
NO_RATE_OVERLAP = "the curves share no range of bytes"
OUT_OF_RANGE = "the score is not reached by both codecs"
MISSING = "not encoded by both codecs"

# Four photographs have so few distinct samples that intervals would be twice as wide as necessary.
MIN_IMAGES = 5


@dataclasses.dataclass(frozen=True)
class Delta:
    """A codec against an anchor on one pair of curves.

    Attributes:
        value: the delta; NaN if `problem` says why there is none.
        problem: "" if there is a value.
    """

    value: float
    problem: str = ""


@dataclasses.dataclass(frozen=True)
class Estimate:
    """The mean of a delta over photographs.

    Attributes:
        value: the mean; NaN if no photograph has a value.
        low: lower end of the 95 % interval; NaN for fewer than `MIN_IMAGES` photographs.
        high: its upper end.
        images: number of photographs with a value.
        left_out: reason why photographs have no value, to their number.
        by_image: photograph to its value.
    """

    value: float
    low: float
    high: float
    images: int
    left_out: Mapping[str, int]
    by_image: Mapping[str, float]


@functools.cache
def _library() -> Any:
    try:
        return importlib.import_module("bjontegaard")
    except ImportError:
        raise InputError(
            "Bjøntegaard deltas need bjontegaard; run: pip install 'gsn_jax[rd]'"
        ) from None


def check_installed() -> None:
    """Raises `InputError` if the library is missing; for use before long work."""
    _library()


def bd_rate(
    anchor: Curve, test: Curve, *, higher_is_better: bool, method: Method = "pchip"
) -> Delta:
    """The mean difference in bytes at equal score, in percent; negative if `test` needs fewer."""
    if problem := _problem(anchor, test, "scores", NO_OVERLAP):
        return Delta(math.nan, problem)
    sign = 1.0 if higher_is_better else -1.0
    return _value(_library().bd_rate, anchor, test, sign, method)


def bd_score(
    anchor: Curve, test: Curve, *, higher_is_better: bool, method: Method = "pchip"
) -> Delta:
    """The mean difference in score at equal bytes, in the metric's unit and direction."""
    if problem := _problem(anchor, test, "rates", NO_RATE_OVERLAP):
        return Delta(math.nan, problem)
    return _value(_library().bd_psnr, anchor, test, 1.0, method)


def saving_at(anchor: Curve, test: Curve, score: float, *, higher_is_better: bool) -> Delta:
    """The difference in bytes at this score, in percent; negative if `test` needs fewer."""
    if problem := _problem(anchor, test, "scores", NO_OVERLAP):
        return Delta(math.nan, problem)
    if any(not curve.scores.min() <= score <= curve.scores.max() for curve in (anchor, test)):
        return Delta(math.nan, OUT_OF_RANGE)
    sign = 1.0 if higher_is_better else -1.0
    log_rates = [float(_interpolator(curve, sign)(sign * score)) for curve in (anchor, test)]
    return Delta(100 * (10 ** (log_rates[1] - log_rates[0]) - 1))


def rate_at(curve: Curve, score: float, *, higher_is_better: bool) -> float:
    """Bits per pixel at which a curve has this score; NaN where it does not reach it."""
    if curve.problem or not curve.scores.min() <= score <= curve.scores.max():
        return math.nan
    sign = 1.0 if higher_is_better else -1.0
    return float(10 ** _interpolator(curve, sign)(sign * score))


def log_rate_curve(curve: Curve, *, higher_is_better: bool) -> tuple[np.ndarray, np.ndarray]:
    """The interpolated curve as the deltas integrate it: 60 rates and scores, for drawing."""
    sign = 1.0 if higher_is_better else -1.0
    scores = np.linspace(curve.scores[0], curve.scores[-1], 60)
    return 10 ** _interpolator(curve, sign)(sign * scores), scores


def _interpolator(curve: Curve, sign: float) -> Callable[[Any], Any]:
    points = curve.rates, sign * curve.scores
    _, found, _ = _library().bd_rate(*points, *points, "pchip", False, True, 0)
    return found


def _problem(anchor: Curve, test: Curve, axis: str, no_overlap: str) -> str:
    if anchor.problem or test.problem:
        return anchor.problem or test.problem
    first, second = getattr(anchor, axis), getattr(test, axis)
    apart = min(first.max(), second.max()) <= max(first.min(), second.min())
    return no_overlap if apart else ""


def _value(
    function: Callable[..., float], anchor: Curve, test: Curve, sign: float, method: Method
) -> Delta:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        value = function(
            anchor.rates,
            sign * anchor.scores,
            test.rates,
            sign * test.scores,
            method,
            require_matching_points=False,
            min_overlap=0,
        )
    return Delta(float(value))


def over_images(
    anchor: Mapping[str, Curve],
    test: Mapping[str, Curve],
    delta: Callable[[Curve, Curve], Delta],
    *,
    resamples: int = 2000,
) -> Estimate:
    """A delta of every photograph, and its mean with an interval.

    Args:
        anchor: photograph to the anchor's curve.
        test: photograph to the codec's curve.
        delta: maps the two curves to the delta.
        resamples: number of bootstrap samples; 0 for no interval.
    """
    found = {
        image: delta(anchor[image], test[image])
        if image in anchor and image in test
        else Delta(math.nan, MISSING)
        for image in dict.fromkeys([*anchor, *test])
    }
    values = {image: item.value for image, item in found.items() if not item.problem}
    left_out = collections.Counter(item.problem for item in found.values() if item.problem)
    mean = math.fsum(values.values()) / len(values) if values else math.nan
    low, high = mean_interval(np.asarray(list(values.values())), resamples=resamples)
    return Estimate(mean, low, high, len(values), dict(left_out), values)


def mean_interval(values: Float[np.ndarray, " n"], *, resamples: int = 2000) -> tuple[float, float]:
    """The 95 % interval of a mean; NaN for fewer than `MIN_IMAGES` values.

    It is the studentised bootstrap (bootstrap-t; Efron and Tibshirani, "An Introduction to the
    Bootstrap", 1993, section 12.5), which is second-order accurate. Percentile intervals, corrected
    (BCa) or not, cover the mean too seldom if there are few values, Student's interval if they are
    skewed.

    Args:
        values: one per photograph.
        resamples: number of samples; 0 for no interval.
    """
    count = len(values)
    if count < MIN_IMAGES or not resamples:
        return math.nan, math.nan
    mean, deviation = float(values.mean()), float(values.std())
    if not deviation:
        return mean, mean
    weights = draws(count, resamples) / count
    apart = (values - mean) / deviation
    means = weights @ apart
    # A sample of equal values has variance 0; the floor makes its quotient large, not infinite.
    variances = np.maximum(weights @ apart**2 - means**2, 1e-6)
    low, high = agreement.percentile_interval(means / np.sqrt(variances))
    return mean - high * deviation, mean - low * deviation


def jackknife_interval(
    statistic: Callable[[Float[np.ndarray, " n"]], float],
    count: int,
    *,
    resamples: int = 2000,
) -> tuple[float, float]:
    """The 95 % interval of a smooth statistic: that of the mean of its pseudo-values (Tukey 1958).

    Args:
        statistic: maps weights of the photographs to the statistic.
        count: number of photographs.
        resamples: number of samples; 0 for no interval.
    """
    if count < MIN_IMAGES or not resamples:
        return math.nan, math.nan
    whole = statistic(np.ones(count))
    without = np.asarray([statistic(1 - left_out) for left_out in np.eye(count)])
    pseudo_values = whole + (count - 1) * (without.mean() - without)
    return mean_interval(pseudo_values, resamples=resamples)


@functools.lru_cache(maxsize=32)
def draws(count: int, resamples: int) -> np.ndarray:
    """How often each sample draws each of `count` values, `(resamples, count)`."""
    return agreement.bootstrap_samples(np.arange(count), resamples=resamples, seed=0)[1]
