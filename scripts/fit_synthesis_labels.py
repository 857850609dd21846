"""Fits the "ensemble" label of `gsn synthesize` to TID2013's opinion scores.

    python scripts/fit_synthesis_labels.py REGENERATED TABLES > data_pipelines/synthesis_weights.py

REGENERATED is a regenerated TID2013 (`data_pipelines.regenerate_tid2013`), TABLES the folder with
`tid2013_mos_with_names.txt`. Reserved scenes are not used. The agreement on held-out scenes
(leave-one-scene-out) goes to stderr. Takes about ten minutes on two cores.
"""

from __future__ import annotations

import argparse
import csv
import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import scipy.optimize
import scipy.stats
from rich.console import Console
from rich.progress import track

from data_pipelines.synthesis_labels import BEST_MOS, distances
from data_pipelines.tid2013.crops import RESERVED
from gsn_jax.images.files import load_image

METRICS = ("lpips_alex", "mdsi", "haarpsi", "gmsd", "vifp", "vsi", "ms_ssim")
FLOORS = (0.01, 0.02, 0.01, 0.004, 0.05, 0.0005, 0.001)
_RIDGE = 0.01
# The fit keeps the metrics' weights near these shares. Types that TID2013 lacks need more than the
# two metrics that fit it best, and only LPIPS was trained on people's opinions of restored images.
_SHARES = np.array([4.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0])
_SPREAD = 0.2
# Floors of the metrics for restored images, and the types of TID2013 that resemble these most.
_RESTORED = {"lpips_alex": 0.01, "dists": 0.01}
_LIKE_RESTORED = ("gaussian_blur", "denoising", "jpeg", "jpeg2000")
_CONSOLE = Console(stderr=True)


def main() -> None:
    """Reads the pairs, fits, and prints the module with the coefficients."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, metavar="REGENERATED", help="a regenerated TID2013")
    parser.add_argument("tables", type=Path, help="folder with tid2013_mos_with_names.txt")
    arguments = parser.parse_args()
    folder, tables = arguments.folder, arguments.tables
    rows = [row for row in _rows(folder / "pairs.csv") if row["split"] == "train"]
    values = _distances(folder, rows, METRICS)
    for row in rows:
        if row["type"] == "contrast":  # TID2013 lowers contrast at odd levels, raises it at even
            row["type"] = "contrast_decrease" if int(row["level"]) % 2 else "contrast_increase"
    kinds = sorted({row["type"] for row in rows})
    scenes = np.array([row["group"] for row in rows])
    mos = np.array([float(row["score"]) for row in rows])
    design = _design(values, rows, kinds)
    predictions = np.empty(len(rows))
    for scene in np.unique(scenes):
        held_out = scenes == scene
        predictions[held_out] = _predict(_fit(design[~held_out], mos[~held_out]), design[held_out])
    srcc = scipy.stats.spearmanr(predictions, mos).statistic
    plcc = scipy.stats.pearsonr(predictions, mos).statistic
    _CONSOLE.print(f"{len(rows)} images, held-out scenes: SRCC {srcc:.3f}, PLCC {plcc:.3f}")
    restored = _fit_restored(folder, rows)
    print(_module(_fit(design, mos), restored, kinds, _mean_opinions(tables)), end="")


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _distances(folder: Path, rows: list[dict[str, str]], metrics: Sequence[str]) -> np.ndarray:
    cache = folder / f"distances-{'-'.join(metrics)}.npz"
    names = [row["distorted"] for row in rows]
    if cache.is_file():
        stored = np.load(cache)
        if stored["names"].tolist() == names:
            return stored["values"]
    values = np.empty((len(rows), len(metrics)))
    scenes = sorted({row["reference"] for row in rows})
    for scene in track(scenes, f"{len(metrics)} metrics", console=_CONSOLE):
        places = [place for place, row in enumerate(rows) if row["reference"] == scene]
        images = [load_image(folder / names[place]) for place in places]
        values[places] = distances(metrics, load_image(folder / scene), images)
    np.savez(cache, names=names, values=values)
    return values


def _design(values: np.ndarray, rows: list[dict[str, str]], kinds: list[str]) -> np.ndarray:
    """Columns: 1, minus the log distances, and one indicator per distortion type."""
    logs = -np.log(np.maximum(values, 0) + FLOORS)
    types = np.array([[row["type"] == kind for kind in kinds] for row in rows], float)
    return np.hstack([np.ones((len(rows), 1)), logs, types])


def _fit(design: np.ndarray, mos: np.ndarray) -> np.ndarray:
    """Coefficients that minimise the squared error of quality; those of the metrics are >= 0."""
    count = len(METRICS)
    quality = np.minimum(mos / BEST_MOS, 1)

    def residuals(coefficients: np.ndarray) -> np.ndarray:
        error = _residuals(coefficients, design, quality)
        weights, offsets = coefficients[1 : 1 + count], coefficients[1 + count :]
        apart = weights - weights.mean() * _SHARES / _SHARES.mean()
        penalty = np.concatenate([_SPREAD * apart, _RIDGE * offsets])
        return np.concatenate([error, np.sqrt(len(mos)) * penalty])

    start = np.concatenate([[0.0], np.full(count, 0.2), np.zeros(design.shape[1] - 1 - count)])
    lower = np.full(len(start), -np.inf)
    lower[1 : 1 + count] = 0
    return scipy.optimize.least_squares(residuals, start, bounds=(lower, np.inf)).x


def _fit_restored(folder: Path, rows: list[dict[str, str]]) -> dict[str, np.ndarray]:
    """Floor, offset and weight of each metric alone, on the types most like restored images."""
    rows = [row for row in rows if row["type"] in _LIKE_RESTORED]
    quality = np.minimum(np.array([float(row["score"]) for row in rows]) / BEST_MOS, 1)
    fits = {}
    for values, (name, floor) in zip(
        _distances(folder, rows, tuple(_RESTORED)).T, _RESTORED.items(), strict=True
    ):
        logs = -np.log(np.maximum(values, 0) + floor)
        design = np.stack([np.ones_like(logs), logs], axis=1)
        fit = scipy.optimize.least_squares(_residuals, [0.0, 1.0], args=(design, quality)).x
        fits[name] = np.array([floor, *fit])
        srcc = scipy.stats.spearmanr(logs, quality).statistic
        _CONSOLE.print(f"{name} on {len(rows)} images like restored ones: SRCC {srcc:.3f}")
    return fits


def _residuals(coefficients: np.ndarray, design: np.ndarray, quality: np.ndarray) -> np.ndarray:
    return _predict(coefficients, design) - quality


def _predict(coefficients: np.ndarray, design: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-design @ coefficients))


def _mean_opinions(tables: Path) -> dict[int, list[float]]:
    scores = defaultdict(list)
    for line in (tables / "tid2013_mos_with_names.txt").read_text().split("\n"):
        match = re.fullmatch(r"(\S+) i(\d\d)_(\d\d)_(\d)\.bmp\s*", line, re.IGNORECASE)
        if match and int(match[2]) not in RESERVED:
            scores[int(match[3]), int(match[4])].append(float(match[1]))
    return {
        kind: [float(np.mean(scores[kind, level])) for level in range(1, 6)]
        for kind in range(1, 25)
    }


def _module(
    coefficients: np.ndarray,
    restored: dict[str, np.ndarray],
    kinds: list[str],
    opinions: dict[int, list[float]],
) -> str:
    count = len(METRICS)
    lines = [
        '"""Coefficients of the labels in `synthesis_labels`, fitted by '
        "`scripts/fit_synthesis_labels.py`",
        'to TID2013\'s opinion scores of scenes that are not reserved."""',
        "",
        f"METRICS = {_words(METRICS)}",
        f"FLOORS = {FLOORS}",
        f"BIAS = {coefficients[0]:.4f}",
        f"WEIGHTS = ({', '.join(f'{w:.4f}' for w in coefficients[1 : 1 + count])})",
        "",
        "# For restored images: each metric's floor, offset and weight.",
        "RESTORED = {",
        *(
            f'    "{name}": ({floor:g}, {offset:.4f}, {weight:.4f}),'
            for name, (floor, offset, weight) in restored.items()
        ),
        "}",
        "",
        "# By distortion: > 0 if the metrics judge it too harshly, < 0 if too mildly.",
        "OFFSETS = {",
        *(
            f'    "{kind}": {value:.4f},'
            for kind, value in zip(kinds, coefficients[1 + count :], strict=True)
        ),
        "}",
        "",
        "# Mean opinion (0-9) by TID2013's type and level.",
        "MOS = {",
    ]
    rows = {kind: sorted(values, reverse=True) for kind, values in opinions.items()}
    lines += [f"    {kind}: ({', '.join(f'{v:.2f}' for v in row)})," for kind, row in rows.items()]
    mean = np.mean(list(rows.values()), axis=0)
    return "\n".join([*lines, "}", f"MEAN_MOS = ({', '.join(f'{v:.2f}' for v in mean)})", ""])


def _words(names: tuple[str, ...]) -> str:
    return "(" + ", ".join(f'"{name}"' for name in names) + ")"


if __name__ == "__main__":
    main()
