"""How much faster many versions of few references are scored when references are kept.

    python benchmarks/reference_caching.py --references 25 --versions 120

Makes PNG files in a temporary folder, then scores the same pairs by `score_pairs`, files to scores,
with and without keeping the references, one part after the other in turns, and prints the ratio and
the largest difference of a score. Compilation is not counted.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from gsn_jax import scoring
from gsn_jax.feature_cache import MAX_BYTES
from gsn_jax.pair_scoring import Pair, score_pairs


def texture(generator: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Something like a photograph: noise at several scales, uint8."""
    total = np.zeros((height, width, 3), np.float32)
    for scale in (4, 16, 64):
        shape = (height // scale + 2, width // scale + 2, 3)
        coarse = Image.fromarray(generator.integers(0, 256, shape, dtype=np.uint8))
        total += np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC))
    return (total / 3).astype(np.uint8)


def make_pairs(folder: Path, options: argparse.Namespace) -> list[list[Pair]]:
    """The pairs of each reference; few distorted files serve many pairs, each is decoded anew."""
    generator = np.random.default_rng(0)
    groups = []
    for index in range(options.references):
        reference = texture(generator, options.height, options.width)
        names = [folder / f"{index}.png"]
        Image.fromarray(reference).save(names[0])
        for level in range(4):
            noise = generator.integers(-9 * level - 9, 9 * level + 10, reference.shape)
            noisy = np.clip(reference + noise, 0, 255).astype(np.uint8)
            names.append(folder / f"{index}_{level}.png")
            Image.fromarray(noisy).save(names[-1])
        files = [names[1 + version % 4] for version in range(options.versions)]
        groups.append([Pair(str(names[0]), str(name), names[0], name) for name in files])
    return groups


def main() -> None:
    """Parses the arguments, measures, prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--references", type=int, default=25)
    parser.add_argument("--versions", type=int, default=120)
    parser.add_argument("--height", type=int, default=384)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--metric", default="gsn")
    options = parser.parse_args()
    metrics = [scoring.resolve(options.metric)]
    budgets = {"without": 0, "kept": MAX_BYTES}
    wall: dict[str, list[float]] = {name: [] for name in budgets}
    work: dict[str, list[float]] = {name: [] for name in budgets}
    difference = 0.0
    with tempfile.TemporaryDirectory(prefix="gsn-references-") as name:
        groups = make_pairs(Path(name), options)
        for budget in budgets.values():  # compiles
            list(score_pairs(groups[0][:2], metrics, cache_bytes=budget))
        for group in groups:
            found = {}
            for label, budget in budgets.items():
                start, busy = time.perf_counter(), time.process_time()
                scored = list(score_pairs(group, metrics, cache_bytes=budget))
                wall[label].append(time.perf_counter() - start)
                work[label].append(time.process_time() - busy)
                found[label] = np.array([item.scores[options.metric] for item in scored])
            difference = max(difference, np.abs(found["kept"] - found["without"]).max())
    count = options.references * options.versions
    for label in budgets:
        print(f"{label}: {count / sum(wall[label]):.1f} pairs/s")
    for kind, seconds in (("wall time", wall), ("processor time", work)):
        total = sum(seconds["without"]) / sum(seconds["kept"])
        ratios = [a / b for a, b in zip(seconds["without"], seconds["kept"], strict=True)]
        print(f"{kind}: {total:.2f} times faster, median {statistics.median(ratios):.2f}")
    print(f"largest difference of a score: {difference:.1e}")


if __name__ == "__main__":
    main()
