"""Simulates how often the intervals of `gsn rd` cover the true BD-rate.

    python scripts/interval_coverage.py

For every photograph, the codec needs a random multiple of the anchor's bytes; the true BD-rate is
the expectation of this ratio. The nominal coverage is 95 %. For comparison, on the same draws:
percentile bootstrap and BCa (`scipy.stats.bootstrap`, on a tenth of the draws), and Student's t.
"""

from __future__ import annotations

import argparse

import numpy as np
from scipy import stats

from gsn_jax.rate_distortion import deltas

# Standard deviation of the logarithm of the ratio, which makes it skewed. 0 means normal ratios.
_SPREADS = {"normal": 0.0, "log-normal, .3": 0.3, "log-normal, .6": 0.6}


def main() -> None:
    """Prints a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=int, nargs="+", default=[5, 8, 20, 50])
    parser.add_argument("--repeats", type=int, default=2000)
    arguments = parser.parse_args()
    print("| photographs | BD-rates | gsn rd | mean curves | t | percentiles | BCa |")
    print("|---|---|---|---|---|---|---|")
    for count in arguments.images:
        for name, spread in _SPREADS.items():
            rng = np.random.default_rng(count)
            values = ratios(rng, spread, (arguments.repeats, count))
            few = values[: arguments.repeats // 10]
            shares = (
                covered([deltas.mean_interval(row, resamples=1000) for row in values]),
                covered([of_mean_curves(row, rng) for row in values]),
                covered([student(row) for row in values]),
                *(
                    covered([by_scipy(row, method) for row in few])
                    for method in ("percentile", "BCa")
                ),
            )
            cells = " | ".join(f"{100 * share:.1f} %" for share in shares)
            print(f"| {count} | {name} | {cells} |", flush=True)


def ratios(rng: np.random.Generator, spread: float, shape: tuple[int, int]) -> np.ndarray:
    """Bytes of a codec divided by those of the anchor: positive, with expectation 1."""
    normal = rng.normal(size=shape)
    if not spread:
        return np.maximum(1 + 0.15 * normal, 1e-3)
    return np.exp(spread * normal - spread**2 / 2)


def covered(ends: list[tuple[float, float]]) -> float:
    """The share of intervals that contain the true mean, 1."""
    low, high = np.transpose(ends)
    return float(np.mean((low <= 1) & (high >= 1)))


def of_mean_curves(values: np.ndarray, rng: np.random.Generator) -> tuple[float, float]:
    """The interval of the ratio of mean rates, as `gsn rd --opinions` computes it."""
    rates = np.exp(0.3 * rng.normal(size=len(values)))

    def log_ratio(weights: np.ndarray) -> float:
        return float(
            np.log(
                np.average(values * rates, weights=weights * 1.0)
                / np.average(rates, weights=weights)
            )
        )

    low, high = np.exp(deltas.jackknife_interval(log_ratio, len(values), resamples=1000))
    return low, high


def student(values: np.ndarray) -> tuple[float, float]:
    """Student's interval of a mean."""
    return stats.t.interval(0.95, len(values) - 1, values.mean(), stats.sem(values))


def by_scipy(values: np.ndarray, method: str) -> tuple[float, float]:
    """A bootstrap interval of a mean."""
    found = stats.bootstrap((values,), np.mean, n_resamples=999, method=method, rng=0)
    return found.confidence_interval


if __name__ == "__main__":
    main()
