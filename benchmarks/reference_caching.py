"""Measures the speed-up of scoring many versions of few references with cached features.

    python benchmarks/reference_caching.py --references 25 --versions 120

Makes PNG files in a temporary folder. Then `score_pairs` scores the same files with and without a
cache, in turns. Prints the ratio of the times, without compilation. The exit code is 1 if the ratio
is below --ratio or scores differ.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from claims import Claims
from image_pairs import noisy, photograph
from PIL import Image

from gsn_jax.metric import CACHE_BYTES, Metric
from gsn_jax.scoring import by_name
from gsn_jax.scoring.many_pairs import score_pairs
from gsn_jax.scoring.pairs import Pair

# Size of the cache in bytes: none, and the default.
BUDGETS = {"without cache": 0, "with cache": CACHE_BYTES}

# Largest allowed difference of a score.
SAME = 1e-6


def make_pairs(folder: Path, options: argparse.Namespace) -> list[list[Pair]]:
    """The pairs of each reference; pairs share four distorted files."""
    generator = np.random.default_rng(0)
    groups = []
    for index in range(options.references):
        reference = photograph((options.height, options.width), generator)
        names = [folder / f"{index}.png"]
        Image.fromarray(reference).save(names[0])
        for level in range(4):
            names.append(folder / f"{index}_{level}.png")
            Image.fromarray(noisy(reference, 9 * level + 9, generator)).save(names[-1])
        files = [names[1 + version % 4] for version in range(options.versions)]
        groups.append([Pair(str(names[0]), str(name), names[0], name) for name in files])
    return groups


def measure(
    groups: list[list[Pair]], metric: Metric
) -> tuple[dict[str, list[float]], dict[str, list[float]], float]:
    """Wall and CPU time of each group, without and with cache; largest difference of a score."""
    wall: dict[str, list[float]] = {name: [] for name in BUDGETS}
    work: dict[str, list[float]] = {name: [] for name in BUDGETS}
    difference = 0.0
    for budget in BUDGETS.values():  # compile
        list(score_pairs(groups[0][:2], [metric], cache_bytes=budget))
    for turn, group in enumerate(groups):
        found = {}
        for label in list(BUDGETS)[:: -1 if turn % 2 else 1]:
            begun, busy = time.perf_counter(), time.process_time()
            scored = list(score_pairs(group, [metric], cache_bytes=BUDGETS[label]))
            wall[label].append(time.perf_counter() - begun)
            work[label].append(time.process_time() - busy)
            found[label] = np.array([item.scores[metric.name] for item in scored])
        difference = max(difference, np.abs(found["with cache"] - found["without cache"]).max())
    return wall, work, difference


def main() -> None:
    """Measures and checks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--references", type=int, default=25)
    parser.add_argument("--versions", type=int, default=120)
    parser.add_argument("--height", type=int, default=384)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--metric", default="gsn")
    parser.add_argument("--ratio", type=float, default=1.0, help="required speed-up by the cache")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gsn-references-") as name, Claims() as claims:
        groups = make_pairs(Path(name), options)
        wall, work, difference = measure(groups, by_name.resolve(options.metric))
        for label, seconds in wall.items():
            rate = options.references * options.versions / sum(seconds)
            print(f"{label}: {rate:.1f} pairs/s")
        for kind, spent in (("wall time", wall), ("CPU time", work)):
            without, cached = spent["without cache"], spent["with cache"]
            median = statistics.median(a / b for a, b in zip(without, cached, strict=True))
            total = sum(without) / sum(cached)
            claims.check(
                total >= options.ratio,
                f"{kind}: {total:.2f} times as fast (median {median:.2f}), at least "
                f"{options.ratio:g}",
            )
        claims.check(
            difference <= SAME, f"largest difference of a score {difference:.1e}, at most {SAME:g}"
        )


if __name__ == "__main__":
    main()
