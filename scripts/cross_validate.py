"""Cross-validation by scene: trains a configuration once per fold, evaluates the held-out scenes.

    python scripts/cross_validate.py gsn REGENERATED/pairs.csv runs/folds --folds 5 \
        --carried data/carried/pairs.csv \
        -- --config.data.train="(('TABLE',0,7.25), ('CARRIED',0,7.25), 'data/synthetic/pairs.csv')"

The table has the columns reference,distorted,score,type,level,group[,split]; rows of the split
`reserved` are left out. In the overrides after `--`, TABLE stands for the rows of a fold's training
scenes. CARRIED stands for a table of `gsn synthesize --like tid2013` whose scores are replaced by
the mean opinion of their type and level over the training scenes, since opinions of the held-out
scenes must not leak. The overall SRCC is the mean over folds, since each model has its own scale; a
type's SRCC is over all its pairs. A fold that already has a model is not trained again.
"""

from __future__ import annotations

import argparse
import collections
import csv
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from tabulate import tabulate

import gsn_jax
from gsn_jax import agreement
from gsn_jax.images import load_image
from gsn_jax.metric import FeatureCache

Row = dict[str, str]


def main() -> None:
    """Trains, scores and prints the table."""
    options = parse(sys.argv[1:])
    rows = read_rows(options.table)
    others = read_rows(options.carried) if options.carried else []
    parts = fold_groups([row["group"] for row in rows], options.folds, options.seed)
    scored = []
    for fold, held_out in enumerate(parts):
        folder = options.workdir / f"fold{fold}"
        known = [row for row in rows if row["group"] not in held_out]
        tables = {"TABLE": write_rows(folder / "train.csv", known)}
        if others:
            tables["CARRIED"] = write_rows(folder / "carried.csv", carried(others, known))
        evaluation = [row for row in rows if row["group"] in held_out]
        write_rows(folder / "eval.csv", evaluation)
        if not (folder / "run" / "model").is_dir():
            train_fold(options.config, folder, tables, options.overrides)
        scored.append(score_fold(folder, evaluation))
        print(f"fold {fold}: {', '.join(sorted(held_out))}: {scored[-1][0]:.4f}", flush=True)
    print(table(scored))


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config")
    parser.add_argument("table", type=Path)
    parser.add_argument("workdir", type=Path)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0, help="of the division into folds")
    parser.add_argument("--carried", type=Path, help="table of photographs distorted alike")
    parser.add_argument("overrides", nargs="*", default=["--config.data.train=TABLE"])
    return parser.parse_intermixed_args(arguments)  # overrides may follow the options


def read_rows(path: Path) -> list[Row]:
    """The rows of the table that may be used, their images as absolute paths."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row.get("split") != "reserved"]
    for row in rows:
        for name in ("reference", "distorted"):
            row[name] = str((path.parent / row[name]).resolve())
    return rows


def fold_groups(groups: Sequence[str], folds: int, seed: int) -> list[set[str]]:
    """The scenes that each fold holds out; each scene is held out once.

    Not `data_pipelines.kfold`, which divides differently: the figures in the model cards are of
    these folds.
    """
    names = np.random.default_rng(seed).permutation(sorted(set(groups)))
    return [set(part.tolist()) for part in np.array_split(names, folds)]


def write_rows(path: Path, rows: Sequence[Row]) -> Path:
    """A table of its own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = ("reference", "distorted", "score", "group")
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        for row in rows:
            writer.writerow([row[name] for name in columns])
    return path


def carried(rows: Sequence[Row], known: Sequence[Row]) -> list[Row]:
    """`rows` with the mean score of their type and level in `known`, as far as there is one."""
    scores = collections.defaultdict(list)
    for row in known:
        scores[row["type"], row["level"]].append(float(row["score"]))
    means = {key: str(np.mean(values)) for key, values in scores.items()}
    return [
        {**row, "score": means[row["type"], row["level"]]}
        for row in rows
        if (row["type"], row["level"]) in means
    ]


def train_fold(
    config: str, folder: Path, tables: Mapping[str, Path], overrides: Sequence[str]
) -> None:
    """One training by the command, its output in a log."""
    for name, path in tables.items():
        overrides = [override.replace(name, str(path)) for override in overrides]
    command = [sys.executable, "-m", "gsn_jax", "train", "--config", config]
    command += ["--workdir", str(folder / "run")]
    command += [*overrides, "--config.data.eval_fraction=0.0"]
    with (folder / "log.txt").open("w") as log:
        subprocess.run(command, check=True, stdout=log, stderr=subprocess.STDOUT)


def score_fold(folder: Path, rows: Sequence[Row]) -> tuple[float, list[tuple[str, float, float]]]:
    """SRCC of the fold, and the type, quality and opinion of each of its pairs."""
    metric, cache = gsn_jax.load(folder / "run" / "model"), FeatureCache()
    pairs = []
    for row in sorted(rows, key=lambda row: row["reference"]):  # its features are computed once
        images = (load_image(row[name]) for name in ("reference", "distorted"))
        quality = metric.score_arrays(*images, cache.of(row["reference"]))
        pairs.append((row["type"], float(quality), float(row["score"])))
    _, quality, opinion = zip(*pairs, strict=True)
    return float(agreement.srcc(np.array(quality), np.array(opinion))), pairs


def table(scored: Sequence[tuple[float, list[tuple[str, float, float]]]]) -> str:
    """Markdown: overall and by type."""
    overall = np.array([value for value, _ in scored])
    pairs = [pair for _, part in scored for pair in part]
    rows = [
        ("overall, mean of folds", len(pairs), overall.mean()),
        ("worst fold", "", overall.min()),
    ]
    for kind in sorted({kind for kind, _, _ in pairs}):
        chosen = np.array([pair[1:] for pair in pairs if pair[0] == kind])
        rows.append((kind, len(chosen), float(agreement.srcc(chosen[:, 0], chosen[:, 1]))))
    return tabulate(rows, ("pairs of", "number", "SRCC"), "github", floatfmt=".3f")


if __name__ == "__main__":
    main()
