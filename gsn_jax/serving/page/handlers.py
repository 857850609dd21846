"""What the page computes: from uploaded files to a ranking, pictures and a table.

Visitors see the names of files, never the folders in which the server keeps them.
"""

from __future__ import annotations

import dataclasses
import html
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from gsn_jax.errors import InputError
from gsn_jax.images import Alpha, as_array
from gsn_jax.metric import Metric
from gsn_jax.scoring import by_name, map_pictures, maps, tables
from gsn_jax.scoring.many_pairs import score_pairs
from gsn_jax.scoring.pairs import Pair, ScoredPair

DISTORTED, MAP = "Image", "Quality map"
VIEWS = (DISTORTED, MAP)

# Longest side of a picture that is sent to the browser, which shows it smaller anyway.
_SHOWN_SIZE = 1600


@dataclasses.dataclass(frozen=True)
class Limits:
    """What the page accepts.

    Attributes:
        max_pixels: maximum number of pixels of one image.
        max_images: maximum number of distorted images at once.
        max_upload_mb: maximum size of one file, in MiB.
        max_total_mb: maximum size of all uploads and pictures on the server at a time, in MiB.
        alpha: what to do with transparent pixels, see `gsn_jax.images.load_image`.
    """

    max_pixels: int = 4096 * 4096
    max_images: int = 100
    max_upload_mb: int = 50
    max_total_mb: int = 4000
    alpha: Alpha = "refuse"


@dataclasses.dataclass(frozen=True)
class Ranking:
    """The scores of one reference's distorted images.

    Attributes:
        scored: pairs that every metric scored, best first.
        failed: the other pairs, with their errors.
        metrics: names of the metrics; the first one determines the order.
    """

    scored: tuple[ScoredPair, ...]
    failed: tuple[ScoredPair, ...]
    metrics: tuple[str, ...]

    def find(self, name: str | None) -> ScoredPair | None:
        """The scored pair whose distorted image has this name."""
        return next((item for item in self.scored if item.pair.distorted == name), None)


Resolve = Callable[[str], Metric]


def rank(
    reference: str | None,
    distorted: Sequence[str] | None,
    metrics: Sequence[str],
    *,
    resolve: Resolve = by_name.resolve,
    limits: Limits,
    watch: Callable[[Iterable[ScoredPair], int], Iterable[ScoredPair]] = lambda items, total: items,
) -> Ranking:
    """Scores uploaded files, best first.

    Args:
        reference: path of the uploaded reference; None if there is none yet.
        distorted: paths of the uploaded distorted images; None likewise.
        metrics: names of the metrics; the first one determines the order.
        resolve: maps a name to its metric.
        limits: what is accepted.
        watch: passes the scored pairs on and shows progress.

    Raises:
        InputError: something is missing, or the reference cannot be used. A bad distorted image
            does not stop the others; it is in `failed`.
    """
    if not reference:
        raise InputError("drop a reference image first")
    if not distorted:
        raise InputError("drop at least one distorted image")
    if len(distorted) > limits.max_images:
        raise InputError(
            f"{len(distorted)} distorted images, but this page takes at most {limits.max_images} "
            "at once; use 'gsn score' for large sets"
        )
    if not metrics:
        raise InputError("choose at least one metric")
    _read(reference, limits)  # an error of the reference is reported once, not for every image
    chosen = [resolve(name) for name in metrics]
    names = _distinct([Path(path).name for path in distorted])
    pairs = [
        Pair(Path(reference).name, name, Path(reference), Path(path))
        for name, path in zip(names, distorted, strict=True)
    ]
    results = score_pairs(pairs, chosen, alpha=limits.alpha, max_pixels=limits.max_pixels)
    items = [_without_folders(item) for item in watch(results, len(pairs))]
    first = chosen[0]
    sign = -1 if first.higher_is_better else 1
    scored = sorted(
        (item for item in items if not item.error), key=lambda item: sign * item.scores[first.name]
    )
    failed = tuple(item for item in items if item.error)
    return Ranking(tuple(scored), failed, tuple(metric.name for metric in chosen))


def headers(metrics: Sequence[Metric]) -> list[str]:
    """The table's columns."""
    arrows = [f"{metric.name} {'↑' if metric.higher_is_better else '↓'}" for metric in metrics]
    return ["#", "image", *arrows]


def rows(ranking: Ranking) -> list[list[str | int]]:
    """The table's rows, best first."""
    return [
        [place, item.pair.distorted, *(f"{item.scores[name]:.4f}" for name in ranking.metrics)]
        for place, item in enumerate(ranking.scored, 1)
    ]


def write_csv(folder: str | os.PathLike[str], ranking: Ranking) -> Path:
    """Writes the ranking to `scores.csv` in the folder, as a table to open in a spreadsheet."""
    path = Path(folder) / "scores.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        items = [*ranking.scored, *ranking.failed]
        tables.write_rows(file, items, ranking.metrics, escape_formulas=True)
    return path


def pictures(
    ranking: Ranking, name: str | None, view: str, metric: Metric | None, limits: Limits
) -> tuple[tuple[np.ndarray, np.ndarray] | None, str]:
    """Both sides of the slider, and a line about them.

    Args:
        ranking: the scored pairs.
        name: the distorted image to show.
        view: one of `VIEWS`.
        metric: the metric of the map; other views need none.
        limits: as for `rank`.

    Returns:
        Two uint8 pictures `(h, w, 3)` of one size, reference first, or None if no image is chosen;
        and the caption as HTML.

    Raises:
        InputError: the files have been deleted, or the map's metric cannot be used with them.
    """
    item = ranking.find(name)
    if item is None:
        return None, ""
    reference, distorted = (_read(path, limits) for path in item.pair.files)
    title = html.escape(item.pair.distorted)
    if view != MAP or metric is None:
        caption = f"Left: reference. Right: <b>{title}</b>."
        return (_shown(_bytes(reference)), _shown(_bytes(distorted))), caption
    values = maps.quality_map(reference, distorted, metric)
    scale = map_pictures.scale_of(values, metric)
    right = map_pictures.overlay(distorted, values, scale)
    caption = (
        f"Left: reference. Right: errors in <b>{title}</b> according to {html.escape(metric.name)}."
        + _colour_bar(scale)
    )
    return (_shown(_bytes(reference)), _shown(right)), caption


def message(lines: Iterable[str]) -> str:
    """Error messages as HTML; "" if there are none."""
    items = "".join(f"<li>{html.escape(line)}</li>" for line in lines)
    return f'<div role="alert" class="problems"><ul>{items}</ul></div>' if items else ""


def _read(path: str | os.PathLike[str], limits: Limits) -> np.ndarray:
    try:
        return np.asarray(as_array(path, alpha=limits.alpha, max_pixels=limits.max_pixels))
    except InputError as error:
        raise InputError(_base_names(str(error), [path])) from None


def _without_folders(item: ScoredPair) -> ScoredPair:
    paths = item.pair.reference_file, item.pair.distorted_file
    return dataclasses.replace(item, error=_base_names(item.error, paths))


def _base_names(text: str, paths: Iterable[str | os.PathLike[str] | None]) -> str:
    for path in paths:
        if path is not None:
            text = text.replace(os.fspath(path), Path(path).name)
    return text


def _distinct(names: Sequence[str]) -> list[str]:
    """The names made unique: a second `x.png` becomes `x.png (2)`."""
    found: list[str] = []
    for name in names:
        candidate, number = name, 2
        while candidate in found:
            candidate, number = f"{name} ({number})", number + 1
        found.append(candidate)
    return found


def _bytes(image: np.ndarray) -> np.ndarray:
    return np.round(255 * image).astype(np.uint8)


def _shown(picture: np.ndarray) -> np.ndarray:
    image = Image.fromarray(picture)
    image.thumbnail((_SHOWN_SIZE, _SHOWN_SIZE))
    return np.asarray(image)


def _colour_bar(scale: map_pictures.Scale) -> str:
    stops = map_pictures.colours_of(np.linspace(0, 1, 9))
    gradient = ", ".join(f"rgb({red},{green},{blue})" for red, green, blue in stops)
    return (
        f'<div class="colour-bar"><span>{scale.best:.2f} best</span>'
        f'<i style="background: linear-gradient(to right, {gradient})"></i>'
        f"<span>{scale.worst:.2f} worst here</span></div>"
    )
