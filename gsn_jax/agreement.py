"""Agreement of a metric with opinion scores: correlations, logistic fit, confidence intervals.

Every function takes `predictions` (a metric's scores, in either direction) and `scores` (opinion
scores) as vectors of the same length. The correlation of a constant vector is undefined: NaN.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, special, stats

Statistic = Callable[[np.ndarray, np.ndarray], float]


def plcc(predictions: ArrayLike, scores: ArrayLike) -> float:
    """Pearson's linear correlation in [-1, 1], without any fit.

    Raises:
        ValueError: the vectors differ in length, are shorter than 2, or hold NaN or infinity.
    """
    return _correlation(stats.pearsonr, predictions, scores)


def srcc(predictions: ArrayLike, scores: ArrayLike) -> float:
    """Spearman's rank correlation in [-1, 1]; ties share their mean rank.

    Raises:
        ValueError: see `plcc`.
    """
    return _correlation(stats.spearmanr, predictions, scores)


def krcc(predictions: ArrayLike, scores: ArrayLike) -> float:
    """Kendall's rank correlation tau-b in [-1, 1].

    Raises:
        ValueError: see `plcc`.
    """
    return _correlation(stats.kendalltau, predictions, scores)


def rmse(predictions: ArrayLike, scores: ArrayLike) -> float:
    """Root mean squared error in the unit of the scores, >= 0; fit first if the scales differ.

    Raises:
        ValueError: see `plcc`.
    """
    predictions, scores = _check(predictions, scores)
    return float(np.sqrt(np.mean((predictions - scores) ** 2)))


def main_score(predictions: ArrayLike, scores: ArrayLike) -> float:
    """|PLCC| + |SRCC| in [0, 2], the main score of the NTIRE challenges, up = better.

    Absolute values are used, because a distance falls as opinion scores rise.

    Raises:
        ValueError: see `plcc`.
    """
    return abs(plcc(predictions, scores)) + abs(srcc(predictions, scores))


@dataclasses.dataclass(frozen=True)
class LogisticFit:
    """A fitted f(x) = (b1 - b2) / (1 + exp(-(x - b3) / |b4|)) + b2.

    Attributes:
        parameters: (b1, b2, b3, b4).
        converged: whether the least-squares solver met its tolerance. If it did not, the parameters
            are the best ones found. It is also False for constant data and for fewer than 4 pairs;
            f is then the mean of the scores.
    """

    parameters: tuple[float, float, float, float]
    converged: bool

    def __call__(self, predictions: ArrayLike) -> np.ndarray:
        """Maps predictions to the scale of the scores."""
        return _logistic(np.asarray(predictions, np.float64), *self.parameters)


def logistic_fit(predictions: ArrayLike, scores: ArrayLike) -> LogisticFit:
    """Fits the 4-parameter logistic of VQEG from predictions to scores by least squares.

    VQEG, "Final Report from the Video Quality Experts Group on the Validation of Objective Models
    of Video Quality Assessment, Phase II", 2003. A decreasing relation gives b1 < b2.

    Args:
        predictions: `(N,)` metric scores.
        scores: `(N,)` opinion scores.

    Raises:
        ValueError: see `plcc`.
    """
    predictions, scores = _check(predictions, scores)
    low, high = float(scores.min()), float(scores.max())
    centre, spread = float(predictions.mean()), float(predictions.std())
    if spread <= 1e-12 * max(1.0, abs(centre)) or low == high or len(scores) < 4:
        level = float(scores.mean())
        return LogisticFit((level, level, centre, 1.0), converged=False)
    # Standardised, so that the same tolerance suits metrics of any scale.
    x, y = (predictions - centre) / spread, (scores - low) / (high - low)
    falling = plcc(x, stats.rankdata(y)) < 0
    ends = (0.0, 1.0) if falling else (1.0, 0.0)
    fits = [
        _least_squares(x, y, (*ends, shift, width))
        for shift in (0.0, float(np.median(x)))
        for width in (0.25, 1.0)
    ]
    (b1, b2, b3, b4), _, converged = min(fits, key=lambda fit: fit[1])
    return LogisticFit(
        (
            float(b1 * (high - low) + low),
            float(b2 * (high - low) + low),
            float(b3 * spread + centre),
            float(abs(b4) * spread),
        ),
        converged=converged,
    )


def bootstrap_ci(
    statistic: Statistic,
    predictions: ArrayLike,
    scores: ArrayLike,
    groups: Sequence[object] | np.ndarray | None = None,
    *,
    confidence: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile bootstrap confidence interval, resampled by reference content.

    Images of the same reference are not independent. Whole groups are drawn with replacement, so
    that the interval shows how the statistic would vary with *new* content.

    Args:
        statistic: e.g. `srcc`.
        predictions: `(N,)` metric scores.
        scores: `(N,)` opinion scores.
        groups: `(N,)` reference of each pair; None resamples single pairs.
        confidence: level of the interval.
        resamples: number of bootstrap samples.
        seed: makes the interval reproducible.

    Returns:
        Lower and upper bound; NaN if there are fewer than two groups.

    Raises:
        ValueError: see `plcc`, or `groups` has a different length.
    """
    predictions, scores = _check(predictions, scores)
    labels = np.arange(len(scores)) if groups is None else np.asarray(groups)
    if labels.shape != scores.shape:
        raise ValueError(f"groups must have shape {scores.shape}, got {labels.shape}")
    membership, counts = bootstrap_samples(labels, resamples=resamples, seed=seed)
    if counts.shape[1] < 2:
        return float("nan"), float("nan")
    values = []
    for drawn in counts:
        rows = np.repeat(np.arange(len(scores)), drawn[membership])
        values.append(statistic(predictions[rows], scores[rows]))
    return percentile_interval(values, confidence)


def bootstrap_samples(
    groups: Sequence[object] | np.ndarray, *, resamples: int = 1000, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Draws bootstrap samples of whole groups, with replacement, as many groups as there are.

    Args:
        groups: `(N,)` group of each pair, e.g. its reference.
        resamples: number of samples.
        seed: seed of the draws.

    Returns:
        The index of each pair's group, `(N,)`, and how often each sample draws each group,
        `(resamples, groups)`; both int64.
    """
    _, membership = np.unique(np.asarray(groups), return_inverse=True)
    number = int(membership.max()) + 1
    generator = np.random.default_rng(seed)
    drawn = (generator.integers(number, size=number) for _ in range(resamples))
    return membership, np.stack([np.bincount(groups, minlength=number) for groups in drawn])


def percentile_interval(
    values: Sequence[float] | np.ndarray, confidence: float = 0.95
) -> tuple[float, float]:
    """Percentile interval of a statistic over samples; NaN if no sample has a value."""
    if np.isnan(values).all():
        return float("nan"), float("nan")
    tail = (1 - confidence) / 2
    low, high = np.nanquantile(values, [tail, 1 - tail])
    return float(low), float(high)


def _least_squares(
    x: np.ndarray, y: np.ndarray, start: tuple[float, ...]
) -> tuple[np.ndarray, float, bool]:
    """Parameters found from one start, their squared error, and whether MINPACK converged."""
    # The parameters' covariance, which is not used, overflows if they are undetermined.
    with np.errstate(over="ignore"):
        found, _, about, _, status = optimize.leastsq(
            lambda b: _logistic(x, *b) - y,
            start,
            Dfun=lambda b: _logistic_slopes(x, *b),
            full_output=True,
            maxfev=2000,
        )
    return found, float(np.sum(about["fvec"] ** 2)), status in (1, 2, 3, 4)


def _logistic(x: np.ndarray, b1: float, b2: float, b3: float, b4: float) -> np.ndarray:
    return (b1 - b2) * special.expit((x - b3) / max(abs(b4), 1e-12)) + b2


def _logistic_slopes(x: np.ndarray, b1: float, b2: float, b3: float, b4: float) -> np.ndarray:
    """Derivatives of `_logistic` with respect to its parameters, `(N, 4)`."""
    width = max(abs(b4), 1e-12)
    z = (x - b3) / width
    rise = special.expit(z)
    slope = (b1 - b2) * rise * (1 - rise) / width
    return np.stack([rise, 1 - rise, -slope, -slope * z * np.sign(b4)], axis=1)


def _check(predictions: ArrayLike, scores: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    predictions = np.asarray(predictions, np.float64)
    scores = np.asarray(scores, np.float64)
    if predictions.ndim != 1 or predictions.shape != scores.shape:
        raise ValueError(
            "predictions and scores must be vectors of the same length, got shapes "
            f"{predictions.shape} and {scores.shape}"
        )
    if len(scores) < 2:
        raise ValueError(f"agreement needs at least two pairs, got {len(scores)}")
    for name, values in (("predictions", predictions), ("scores", scores)):
        if not np.isfinite(values).all():
            row = int(np.flatnonzero(~np.isfinite(values))[0])
            raise ValueError(f"{name} contain {values[row]} at row {row}; drop such pairs first")
    return predictions, scores


def _correlation(function: Callable, predictions: ArrayLike, scores: ArrayLike) -> float:
    predictions, scores = _check(predictions, scores)
    if np.ptp(predictions) == 0 or np.ptp(scores) == 0:
        return float("nan")
    return float(function(predictions, scores).statistic)
