"""Rank correlation of each metric with opinion scores, beside the published TID2013 value.

    python scripts/published_agreement.py TABLE.csv [--metrics psnr ssim ...] [--limit N]

TABLE.csv has the columns reference, distorted (paths relative to the table) and score (up =
better). The published column is the SRCC on TID2013 as printed in the DISTS paper (K. Ding et al.,
IEEE TPAMI 44(5), 2022, table of full-reference results); for metrics absent there, that of the
metric's own paper as cited beside it.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import pathlib

import numpy as np
from scipy import stats

from gsn_jax import metrics
from gsn_jax.errors import InputError
from gsn_jax.metric import Metric

PUBLISHED = {
    "psnr": (0.687, "DISTS paper"),
    "ssim": (0.727, "DISTS paper; decimated SSIM: `downsample=True`"),
    "ms_ssim": (0.786, "DISTS paper"),
    "vsi": (0.897, "DISTS paper"),
    "mad": (0.781, "DISTS paper; authors' definition, nearer to `corrected=True`"),
    "vif": (0.677, "DISTS paper"),
    "fsimc": (0.851, "DISTS paper's FSIM"),
    "nlpd": (0.800, "DISTS paper"),
    "gmsd": (0.804, "DISTS paper"),
    "deepiqa": (0.831, "DISTS paper"),
    "lpips_vgg": (0.670, "DISTS paper"),
    "dists": (0.830, "DISTS paper"),
}


def scores(metric: Metric, rows: list[dict[str, str]], folder: pathlib.Path) -> np.ndarray:
    """The metric of every row, up = better."""
    values = [float(metric(folder / row["reference"], folder / row["distorted"])) for row in rows]
    return np.array(values) * (1 if metric.higher_is_better else -1)


def main() -> None:
    """Parses the command line and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", type=pathlib.Path)
    parser.add_argument("--metrics", nargs="*", default=metrics.names())
    parser.add_argument("--limit", type=int, help="use about this many rows, evenly spread")
    arguments = parser.parse_args()
    with open(arguments.table, newline="") as file:
        rows = list(csv.DictReader(file))
    if arguments.limit:
        rows = list(itertools.islice(rows, 0, None, max(1, len(rows) // arguments.limit)))
    opinion = np.array([float(row["score"]) for row in rows])
    print(f"SRCC over {len(rows)} pairs of {arguments.table.name}\n")
    print("| metric | SRCC | published TID2013 SRCC | source of the published value |")
    print("|---|---|---|---|")
    for name in arguments.metrics:
        published, source = PUBLISHED.get(name, (None, "-"))
        known = f"{published:.3f}" if published else "-"
        try:
            measured = scores(metrics.get(name), rows, arguments.table.parent)
        except InputError as error:
            print(f"| {name} | - | {known} | {error} |", flush=True)
            continue
        correlation = stats.spearmanr(measured, opinion).statistic
        print(f"| {name} | {correlation:.3f} | {known} | {source} |", flush=True)


if __name__ == "__main__":
    main()
