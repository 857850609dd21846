"""Draws examples of scores: a photograph, distorted until the model gives a chosen score.

python scripts/model_card_picture.py docs/figures/scores.png
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import numpy as np
import skimage.data
from matplotlib import pyplot as plt
from PIL import Image

import gsn_jax
from data_pipelines import distortions
from gsn_jax.errors import InputError
from gsn_jax.metric import FeatureCache
from gsn_jax.scoring.model_metric import ModelMetric

SCORES = (0.9, 0.7, 0.5, 0.3)
SHOWN = ("jpeg", "gaussian_blur", "white_noise", "upscaling_bicubic")

# In pixels. Photographs are not scaled, because slight distortions would not show then.
_PART = 190
_GAP = 4
_LABEL = 24

# Largest difference from the wanted score at which a strength counts as found.
_NEAR = 0.03
# The search ends at this many times level 5, where little is left of a photograph.
_BEYOND = 4
_STEPS = 14


def photograph() -> np.ndarray:
    """A part of scikit-image's astronaut, uint8 `(H, W, 3)`."""
    return np.ascontiguousarray(skimage.data.astronaut()[12 : 12 + _PART, 128 : 128 + _PART])


Version = tuple[np.ndarray, float, float]


def find(
    entry: distortions.Distortion,
    reference: np.ndarray,
    score: Callable[[np.ndarray], float],
    wanted: float,
) -> Version:
    """Finds the version whose score is nearest to the wanted one, by bisection of the strength.

    Returns:
        The distorted image, its strength and its score.
    """
    least = max(entry.bounds[0], entry.strengths[0] / 50)
    low, high = np.log(least), np.log(min(entry.bounds[1], entry.strengths[-1] * _BEYOND))
    tried = []
    for _ in range(_STEPS):
        strength = float(np.exp((low + high) / 2))
        image = entry(reference, strength=strength)
        tried.append((image, strength, score(image)))
        if tried[-1][2] > wanted:
            low = np.log(strength)
        else:
            high = np.log(strength)
    return min(tried, key=lambda version: abs(version[2] - wanted))


def versions(metric: ModelMetric, reference: np.ndarray) -> list[list[Version]]:
    """For each distortion, the versions at the wanted scores."""
    remember = FeatureCache().of("reference")

    def score(image: np.ndarray) -> float:
        return float(metric.score_arrays(reference, image, remember))

    entries = [distortions.get(name) for name in SHOWN]
    return [[find(entry, reference, score, wanted) for wanted in SCORES] for entry in entries]


def draw(path: Path, metric: ModelMetric) -> None:
    """Writes the picture: a row per distortion, a column per score."""
    reference = photograph()
    found = versions(metric, reference)
    figure, axes = cells(len(SHOWN), 1 + len(SCORES))
    title = f"{metric.name} {metric.version}: quality, and the strength of the distortion"
    figure.suptitle(title, fontsize=12, y=1 - 0.1 / figure.get_figheight())
    for row, name, row_versions in zip(axes, SHOWN, found, strict=True):
        row[0].set_ylabel(name.replace("_", " "), fontsize=11)
        show(row[0], reference, "1   (original)")
        for axis, wanted, (image, strength, quality) in zip(
            row[1:], SCORES, row_versions, strict=True
        ):
            if abs(quality - wanted) <= _NEAR:
                show(axis, image, f"{quality:.2f}   ({strength:.3g})")
            else:
                text = f"{wanted:g} is not reached;\nnearest is {quality:.2f}"
                axis.text(0.5, 0.5, text, ha="center", va="center", fontsize=11)
    save(figure, path)


def cells(rows: int, columns: int) -> tuple[plt.Figure, np.ndarray]:
    """Square axes of `_PART` pixels, with room for row labels and a title above each."""
    width = _LABEL + columns * (_PART + _GAP)
    height = _LABEL + rows * (_PART + _LABEL)
    figure = plt.figure(figsize=(width / 100, height / 100), dpi=100)
    axes = figure.subplots(
        rows,
        columns,
        subplot_kw={"frame_on": False, "xticks": [], "yticks": []},
        gridspec_kw={
            "left": _LABEL / width,
            "right": 1 - _GAP / width,
            "bottom": 0,
            "top": 1 - 2 * _LABEL / height,
            "wspace": _GAP / _PART,
            "hspace": _LABEL / _PART,
        },
    )
    return figure, axes


def show(axis: plt.Axes, image: np.ndarray, caption: str) -> None:
    """Draws an image at its own resolution below its caption."""
    axis.imshow(image, interpolation="nearest")
    axis.set_title(caption, fontsize=11, pad=4)


def save(figure: plt.Figure, path: Path) -> None:
    """Writes a figure with a palette, which makes the file a third as large."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.canvas.draw()
    picture = Image.fromarray(np.asarray(figure.canvas.buffer_rgba())[..., :3].copy())
    picture.quantize(256).save(path, optimize=True)


def main() -> None:
    """Draws the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path", type=Path, help="the picture to write (.png)")
    parser.add_argument("--metric", default="gsn", help="a model that ships, or a model's folder")
    options = parser.parse_args()
    try:
        draw(options.path, gsn_jax.load(options.metric))
    except InputError as error:
        sys.exit(f"model_card_picture: {error}")


if __name__ == "__main__":
    main()
