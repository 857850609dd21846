"""Compares the programs for size classes with those for the exact sizes, over 60 sizes.

    python benchmarks/size_classes.py --metrics ssim,lpips_alex

Sizes range from the metric's smallest to 700 pixels: random sizes, primes, and sizes ten times as
wide as high. Each row has a metric, the number of programs for size classes, and the largest
difference of scores (relative for scores above 1) from the exact program in float32 and in float64
(deep features stay in float32). Exits with code 1 if a difference is above 1e-5.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

import jax
import numpy as np

from gsn_jax import metrics
from gsn_jax.compilation import PairProgram

PRIMES = (67, 97, 199, 251, 383, 401, 499, 601, 641, 691)
LIMIT = 1e-5


def main() -> None:
    """Prints a row per metric."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--metrics", help="comma-separated (default: all with size classes)")
    parser.add_argument("--sizes", type=int, default=60)
    options = parser.parse_args()
    padded = [name for name in metrics.names() if getattr(metrics.get(name), "padded", False)]
    names = options.metrics.split(",") if options.metrics else padded
    print("metric, programs, difference from exact, difference from float64")
    worst = 0.0
    for name in names:
        programs, exact, wide = _compare(name, options.sizes)
        worst = max(worst, exact, wide)
        print(f"{name}, {programs}, {exact:.1e}, {wide:.1e}", flush=True)
    sys.exit(worst > LIMIT)


def _sizes(least: int, count: int) -> list[tuple[int, int]]:
    """Heights and widths."""
    rng = np.random.default_rng(0)
    long = [(side, 10 * side) for side in (least, *PRIMES) if least <= side <= 70]
    primes = [(a, b) for a, b in zip(PRIMES, PRIMES[::-1], strict=True) if min(a, b) >= least]
    low = max(8, least)
    drawn = np.exp(rng.uniform(np.log(low), np.log(700), (count, 2))).astype(int).tolist()
    return [*long, *primes, *map(tuple, drawn)][:count]


def _compare(name: str, count: int) -> tuple[int, float, float]:
    metric: Any = metrics.get(name)  # a `FunctionMetric`
    by_class = PairProgram(metric.function, metric.size_class)
    shapes, exact, wide = set(), 0.0, 0.0
    for height, width in _sizes(metric.min_size, count):
        shape = metric.size_class(height, width)
        if shape is None:
            continue
        shapes.add(shape)
        first, second = _pair(height, width)
        score = float(by_class.score(first, second, shape))
        alone = float(jax.jit(metric.function)(first, second))
        with jax.enable_x64(True):
            double = float(
                jax.jit(metric.function)(first.astype(np.float64), second.astype(np.float64))
            )
        exact = max(exact, abs(score - alone) / max(1, abs(alone)))
        wide = max(wide, abs(score - double) / max(1, abs(double)))
    return len(shapes), exact, wide


def _pair(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(height * 1000 + width)
    y, x = np.mgrid[:height, :width] / 9
    image = 0.5 + 0.3 * np.sin(x + y * y / 9)[..., None] * [1, 0.8, -0.6]
    image = np.clip(image + 0.1 * (rng.random(image.shape) - 0.5), 0, 1)
    other = np.clip(image * 0.9 + 0.05 * rng.random(image.shape), 0, 1)
    return image.astype(np.float32), other.astype(np.float32)


if __name__ == "__main__":
    main()
