"""Measures how much compressed kernels change scores: a run's model against the one that ships.

    python scripts/compression_loss.py runs/gsn_b gsn-b judged.csv --pairs 100

Prints the mean and the largest difference of quality, and the rank correlation of both scores, over
evenly spaced pairs of the table (columns reference,distorted).
"""

from __future__ import annotations

import argparse

import numpy as np

import gsn_jax
from gsn_jax import agreement
from gsn_jax.images.pair_tables import read_rows, resolve


def main() -> None:
    """Scores with both models and prints the differences."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", help="folder of the training run")
    parser.add_argument("name", help="name of the model that ships")
    parser.add_argument("table")
    parser.add_argument("--pairs", type=int, default=100)
    options = parser.parse_args()
    pairs = [
        [resolve(options.table, row.fields[name]) for name in ("reference", "distorted")]
        for row in read_rows(options.table)
    ]
    chosen = np.linspace(0, len(pairs) - 1, min(options.pairs, len(pairs))).round().astype(int)
    models = [gsn_jax.load(options.run), gsn_jax.load(options.name)]
    scores = np.array(
        [[float(model(*pairs[index])) for model in models] for index in chosen], np.float64
    )
    difference = np.abs(scores[:, 0] - scores[:, 1])
    print(
        f"{len(chosen)} pairs: quality differs by {difference.mean():.5f} on average, by "
        f"{difference.max():.5f} at most; SRCC of the two {agreement.srcc(*scores.T):.5f}"
    )


if __name__ == "__main__":
    main()
