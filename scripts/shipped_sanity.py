"""Checks a model on distortions whose order is known; prints tables for its card.

    python scripts/shipped_sanity.py --metric gsn
    python scripts/shipped_sanity.py --metric gsn --data $GSN_DATA

The photographs are scikit-image's, or with --data the Kodak scenes that no model is trained on. The
measurements are in `shipped_checks.py`, the limits in `tests/gsn_jax/models/test_shipped.py`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import shipped_checks as checks
from tabulate import tabulate

import gsn_jax
from data_pipelines import distortions
from gsn_jax import metrics
from gsn_jax.errors import InputError
from gsn_jax.scoring.model_metric import ModelMetric

SHOWN = ("jpeg", "gaussian_blur", "white_noise", "contrast")
SIZES = (256, 512, 1024)
ASCENT_SIZE = 128  # side of the photographs from which noise is removed

Scores = Mapping[tuple[str, str], Sequence[float]]


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    return tabulate(list(rows), head, "github", disable_numparse=True)


def by_group(scores: Scores) -> str:
    """Share of cases where quality falls strictly, and mean quality, by group of types."""
    rows = [_row(group, scores, distortions.names(group)) for group in distortions.groups()]
    head = ("group", "types", "falls strictly", *(f"level {n}" for n in distortions.LEVELS))
    return table(head, [*rows, _row("all", scores, distortions.names())])


def _row(label: str, scores: Scores, kinds: Sequence[str]) -> list[str]:
    found = [row for (_, kind), row in scores.items() if kind in kinds]
    share = np.mean([checks.falls(row) for row in found])
    means = np.mean(found, axis=0)[1:]
    return [label, str(len(kinds)), f"{share:.1%}", *(f"{mean:.2f}" for mean in means)]


def exceptions(scores: Scores) -> str:
    """Every case where quality does not fall strictly."""
    rows = [
        (f"`{kind}`", name, ", ".join(f"{value:.4f}" for value in row[1:]))
        for (name, kind), row in sorted(scores.items(), key=lambda item: item[0][::-1])
        if not checks.falls(row)
    ]
    head = ("type", "photograph", "levels 1 to 5")
    return table(head, rows) if rows else "Quality falls strictly in every case."


def changes(metric: ModelMetric, images: Mapping[str, np.ndarray]) -> str:
    """Effect on scores of changes that are invisible or hardly visible, over photographs."""
    rows = {
        "distorted image shifted by one pixel": [],
        "JPEG of quality 95": [],
        "both images stored losslessly": [],
        "both images cropped one pixel further": [],
    }
    for image in images.values():
        versions = _level_3(image)
        found = (
            checks.one_pixel_apart(metric, image),
            checks.jpeg_drop(metric, image),
            max(checks.lossless_change(metric, image, version) for version in versions.values()),
            max(checks.moved_together(metric, image, versions).values()),
        )
        for row, value in zip(rows.values(), found, strict=True):
            row.append(value)
    return table(
        ("what", "mean change", "largest change"),
        [(name, f"{np.mean(row):.4f}", f"{max(row):.4f}") for name, row in rows.items()],
    )


def by_size(metric: ModelMetric, image: np.ndarray) -> str:
    """Scores of level 3 at each size, for the mirrored and for the resized photograph."""
    part = checks.centre(image, SIZES[0])
    found = {
        "extended by mirroring": checks.mirrored_scores(metric, part, _level_3(part), SIZES),
        "resized, then distorted": checks.resized_scores(metric, image, SHOWN, SIZES),
    }
    rows = [
        (how, f"`{kind}`", *(f"{score:.3f}" for score in row))
        for how, scores in found.items()
        for kind, row in scores.items()
    ]
    return table(("how", "type, level 3", *(f"{size} pixels" for size in SIZES)), rows)


def by_loss(metric: ModelMetric, images: Mapping[str, np.ndarray]) -> str:
    """Scores before and after fifty steps of Adam on noisy images, by model and other metrics."""
    others = (metric, metrics.get("vsi"), metrics.get("ssim"))
    rows = []
    for deviation in (0.1, 0.15):
        for name, image in images.items():
            start = checks.noisy(image, deviation)
            ends = start, checks.ascend(metric, image, start)[0]
            scores = [[float(other(image, np.asarray(end))) for end in ends] for other in others]
            shown = [f"{before:.4f} to {after:.4f}" for before, after in scores]
            rows.append((f"{deviation}", name, *shown))
    return table(("noise", "photograph", *(other.name for other in others)), rows)


def _level_3(image: np.ndarray) -> dict[str, np.ndarray]:
    return {kind: distortions.apply(kind, image, level=3) for kind in SHOWN}


def main() -> None:
    """Measures and prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--metric", default="gsn", help="a model that ships, or a model's folder")
    parser.add_argument("--data", type=Path, help="folder with photos/kodak")
    parser.add_argument("--size", type=int, default=288, help="side of the crops in pixels")
    options = parser.parse_args()
    try:
        metric = gsn_jax.load(options.metric)
    except InputError as error:
        sys.exit(f"shipped_sanity: {error}")
    if options.data is None:
        images = checks.photographs(options.size)
    else:
        images = checks.reserved(options.data, options.size)
    scores = checks.level_scores(metric, images, distortions.names())
    print(f"{metric.name} {metric.version}; {', '.join(images)}, {options.size} pixels square.\n")
    print(by_group(scores), exceptions(scores), changes(metric, images), sep="\n\n")
    print(f"\n{by_size(metric, checks.photograph('astronaut'))}")
    print(f"\n{by_loss(metric, checks.photographs(ASCENT_SIZE, checks.PHOTOGRAPHS[:3]))}")


if __name__ == "__main__":
    main()
