"""Cross-validates a configuration: trains it once for each held-out part of the human labels.

    python scripts/cross_validate.py gsn runs/folds --data DATA
    python scripts/cross_validate.py gsn runs/types --data DATA --by family --only 0,3 \
        -- --config.train.steps=900

DATA is the folder for `gsn datasets prepare tid2013_regenerated --manual-dir DATA`; the images are
made once, in the work folder. Rows of the split `reserved` are left out. The configuration's other
tables are read where `data.train` has them.

With `--by scene`, each part is a few scenes; labels transferred by `gsn synthesize --like tid2013`
are then the mean opinions of the scenes that are not held out. With `--by type`, each part is a
distortion type, with `--by family` all types of noise, of blur and so on; rows with such a type,
mixtures included, are then left out of every table. By scene, the overall SRCC is the mean over the
parts, because each model has its own scale; by type and family, it is the median over the types. A
part that already has a model is not trained again.
"""

from __future__ import annotations

import argparse
import collections
import csv
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from tabulate import tabulate

import gsn_jax
from data_pipelines import regenerate_tid2013
from data_pipelines.distortions import registry
from gsn_jax import agreement
from gsn_jax.errors import InputError
from gsn_jax.images import load_image
from gsn_jax.metric import FeatureCache
from gsn_jax.training.config import load_config

Row = dict[str, str]
Pairs = list[tuple[str, float, float]]  # type, quality and opinion of each pair

FOLDS = 5
HUMAN = "tid2013_regenerated:train"
HUMAN_RANGE = (0, 7.25)  # as in `configs/gsn.py`


def main() -> None:
    """Cross-validates as the command line says."""
    try:
        cross_validate(parse(sys.argv[1:]))
    except InputError as error:
        print(f"cross_validate: {error}", file=sys.stderr)
        sys.exit(2)


def cross_validate(options: argparse.Namespace) -> None:
    """Trains and scores every part and prints the table."""
    sources = load_config(options.config, options.overrides).data.train
    human = regenerate_tid2013.regenerate(
        options.data / "photos" / "kodak", options.data / "tables", options.workdir / "human"
    )
    rows = read_rows(human)
    parts = divide(rows, options.by)
    chosen = options.only or range(len(parts))
    if wrong := [number for number in chosen if number not in range(len(parts))]:
        raise InputError(f"--only {wrong[0]}: the parts are 0 to {len(parts) - 1}")
    scored = {}
    for number in chosen:
        folder = options.workdir / f"{options.by}{number}"
        held_out = member(options.by, parts[number])
        tables = [table_of(source, rows, held_out, folder) for source in sources]
        if not (folder / "run" / "model").is_dir():
            train(options.config, folder, tables, options.overrides)
        scored[number] = score(folder / "run" / "model", [row for row in rows if held_out(row)])
        named = ", ".join(sorted(parts[number]))
        print(f"part {number}: {named}: {srcc(scored[number]):.4f}", flush=True)
    print(summary(list(scored.values()), options.by))


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config")
    parser.add_argument("workdir", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="photographs and TID2013's tables")
    parser.add_argument("--by", choices=("scene", "type", "family"), default="scene")
    parser.add_argument("--only", type=numbers, help="numbers of the parts to run (default: all)")
    parser.add_argument("overrides", nargs="*", help="overrides of the configuration, after --")
    return parser.parse_intermixed_args(arguments)  # overrides may follow the options


def numbers(text: str) -> list[int]:
    """Parses numbers such as "0,3"."""
    return [int(part) for part in text.split(",")]


def divide(rows: Sequence[Row], by: str) -> list[set[str]]:
    """The scenes or types that each part holds out. Every scene or type is held out once."""
    if by == "scene":
        return fold_groups([row["group"] for row in rows])
    types = sorted({row["type"] for row in rows})
    if by == "type":
        return [{kind} for kind in types]
    families = collections.defaultdict(set)
    for kind in types:
        families[registry.get(kind).group].add(kind)
    return [families[name] for name in sorted(families)]


def fold_groups(groups: Sequence[str]) -> list[set[str]]:
    """The scenes that each fold holds out.

    Not `data_pipelines.kfold`, which divides differently: the figures in the model cards are of
    these folds.
    """
    names = np.random.default_rng(0).permutation(sorted(set(groups)))
    return [set(part.tolist()) for part in np.array_split(names, FOLDS)]


def member(by: str, part: set[str]) -> Callable[[Row], bool]:
    """Whether a part holds out a row: by its scene, or by one of the types mixed in it."""
    if by == "scene":
        return lambda row: row["group"] in part
    return lambda row: not part.isdisjoint(row["type"].split("+"))


def read_rows(path: Path) -> list[Row]:
    """The rows of a table that are not reserved, with absolute paths of the images."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row.get("split") != "reserved"]
    for row in rows:
        for name in ("reference", "distorted"):
            row[name] = str((path.parent / row[name]).resolve())
    return rows


def write_rows(path: Path, rows: Sequence[Row]) -> Path:
    """Writes rows as a table and returns its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = ("reference", "distorted", "score", "type", "level", "group")
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        for row in rows:
            writer.writerow([row[name] for name in columns])
    return path


def carried(rows: Sequence[Row], known: Sequence[Row]) -> list[Row]:
    """The `rows` whose type and level are in `known`, labelled with their mean score there."""
    scores = collections.defaultdict(list)
    for row in known:
        scores[row["type"], row["level"]].append(float(row["score"]))
    means = {key: str(np.mean(values)) for key, values in scores.items()}
    return [
        {**row, "score": means[row["type"], row["level"]]}
        for row in rows
        if (row["type"], row["level"]) in means
    ]


def table_of(
    source: str | Sequence, rows: Sequence[Row], held_out: Callable[[Row], bool], folder: Path
) -> tuple[str, float, float]:
    """Writes a training source without held-out rows; returns its path and score range.

    Raises:
        InputError: the source is neither the human labels nor a table of `gsn synthesize`.
    """
    name, low, high = (source, 0, 1) if isinstance(source, str) else source
    known = [row for row in rows if not held_out(row)]
    if name == HUMAN:
        return str(write_rows(folder / "human.csv", known)), low, high
    like = labelled_like(Path(name))
    others = [row for row in read_rows(Path(name)) if not held_out(row)]
    if like == "tid2013":
        others, (low, high) = carried(others, known), HUMAN_RANGE
    return str(write_rows(folder / f"{Path(name).parent.name}.csv", others)), low, high


def labelled_like(table: Path) -> str:
    """The data set whose opinions label a table of `gsn synthesize`; "" if a metric's scores do.

    Raises:
        InputError: the table is not one of `gsn synthesize`.
    """
    try:
        return json.loads((table.parent / "synthesis.json").read_text(encoding="utf-8"))["like"]
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(
            f"{table}: no synthesis.json beside it says how it was labelled; each source must be "
            f"{HUMAN} or a table in its folder of gsn synthesize"
        ) from None


def train(
    config: str, folder: Path, tables: Sequence[tuple[str, float, float]], overrides: Sequence[str]
) -> None:
    """Runs `gsn train` and writes its output to a log."""
    command = [sys.executable, "-m", "gsn_jax", "train", "--config", config]
    command += ["--workdir", str(folder / "run"), *overrides]
    command += [f"--config.data.train={tuple(tables)!r}", "--config.data.eval_fraction=0.0"]
    with (folder / "log.txt").open("w") as log:
        subprocess.run(command, check=True, stdout=log, stderr=subprocess.STDOUT)


def score(model: Path, rows: Sequence[Row]) -> Pairs:
    """The type of each pair, its quality by a trained model, and its opinion score."""
    metric, cache = gsn_jax.load(model), FeatureCache()
    pairs = []
    for row in sorted(rows, key=lambda row: row["reference"]):  # reuses the reference's features
        images = (load_image(row[name]) for name in ("reference", "distorted"))
        quality = metric.score_arrays(*images, cache.of(row["reference"]))
        pairs.append((row["type"], float(quality), float(row["score"])))
    return pairs


def srcc(pairs: Pairs) -> float:
    """SRCC of qualities with opinions."""
    _, quality, opinion = zip(*pairs, strict=True)
    return float(agreement.srcc(np.array(quality), np.array(opinion)))


def summary(scored: Sequence[Pairs], by: str) -> str:
    """The Markdown table of SRCC, overall and by type."""
    pairs = [pair for part in scored for pair in part]
    types = {
        kind: [pair for pair in pairs if pair[0] == kind] for kind in sorted({p[0] for p in pairs})
    }
    by_type = [(kind, len(chosen), srcc(chosen)) for kind, chosen in types.items()]
    if by == "scene":
        values = [srcc(part) for part in scored]
        overall = [
            ("overall, mean of folds", len(pairs), np.mean(values)),
            ("worst fold", "", min(values)),
        ]
    else:
        overall = [("median of types", len(pairs), np.median([value for *_, value in by_type]))]
    return tabulate([*overall, *by_type], ("pairs of", "number", "SRCC"), "github", floatfmt=".3f")


if __name__ == "__main__":
    main()
