"""Rate-distortion curves: score against bits per pixel, of one photograph or of the mean."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float

from gsn_jax.rate_distortion.encodings import Study

# Bjøntegaard's method interpolates four points (VCEG-M33).
MIN_POINTS = 4

TOO_FEW = f"fewer than {MIN_POINTS} settings"
NOT_MONOTONE = "the score does not improve with every step in bytes"
INCOMPLETE = "no photograph has a score at every setting of every codec"


@dataclasses.dataclass(frozen=True)
class Curve:
    """The settings of one codec, by ascending rate.

    Attributes:
        rates: `(n,)` bits per pixel.
        scores: `(n,)` scores in the metric's own direction.
        settings: `n` names.
        problem: why the curve cannot be interpolated, "" if it can.
    """

    rates: Float[np.ndarray, " n"]
    scores: Float[np.ndarray, " n"]
    settings: tuple[str, ...]
    problem: str = ""


def make_curve(
    rates: Sequence[float] | np.ndarray,
    scores: Sequence[float] | np.ndarray,
    settings: Sequence[str],
    *,
    higher_is_better: bool,
) -> Curve:
    """Sorts points into a curve and checks that it can be interpolated.

    Points without a finite rate and score are dropped. Settings that gave the same rate and the
    same score count as one.

    Args:
        rates: `(n,)` bits per pixel.
        scores: `(n,)` scores.
        settings: `n` names.
        higher_is_better: direction of the scores.
    """
    rates, scores = np.asarray(rates, np.float64), np.asarray(scores, np.float64)
    finite = np.flatnonzero(np.isfinite(rates) & np.isfinite(scores))
    order = finite[np.lexsort((scores[finite], rates[finite]))]
    kept = [
        index
        for place, index in enumerate(order)
        if place == 0
        or (rates[index], scores[index]) != (rates[order[place - 1]], scores[order[place - 1]])
    ]
    rates, scores = rates[kept], scores[kept]
    return Curve(
        rates, scores, tuple(settings[i] for i in kept), _problem(rates, scores, higher_is_better)
    )


def _problem(rates: np.ndarray, scores: np.ndarray, higher_is_better: bool) -> str:
    if len(rates) < MIN_POINTS:
        return TOO_FEW
    rising = np.diff(scores if higher_is_better else -scores) > 0
    return "" if rising.all() and (np.diff(rates) > 0).all() else NOT_MONOTONE


def image_curves(study: Study, metric: str) -> dict[str, dict[str, Curve]]:
    """The curve of every codec and photograph: `[codec][image]`.

    Args:
        study: encodings with scores.
        metric: name of the metric.
    """
    rows: dict[str, dict[str, list[int]]] = {codec: {} for codec in study.codecs}
    for index, item in enumerate(study.encodings):
        rows[item.codec].setdefault(item.image, []).append(index)
    rates = np.asarray([item.rate for item in study.encodings])
    return {
        codec: {
            image: make_curve(
                rates[members],
                study.scores[metric][members],
                [study.encodings[index].setting for index in members],
                higher_is_better=study.higher_is_better[metric],
            )
            for image, members in images.items()
        }
        for codec, images in rows.items()
    }


@dataclasses.dataclass(frozen=True)
class Grid:
    """One codec's points as tables, for means over photographs.

    Attributes:
        settings: `s` names.
        rates: `(images, s)` bits per pixel.
        scores: `(images, s)` scores.
        complete: `(images,)`, True for photographs that have a score at every setting.
    """

    settings: tuple[str, ...]
    rates: Float[np.ndarray, "images s"]
    scores: Float[np.ndarray, "images s"]
    complete: Bool[np.ndarray, " images"]

    def mean(
        self, *, higher_is_better: bool, weights: Float[np.ndarray, " images"] | None = None
    ) -> Curve:
        """The mean rate and mean score of each setting, over the complete photographs.

        Args:
            higher_is_better: direction of the scores.
            weights: of the photographs; equal by default.
        """
        weights = np.ones(len(self.complete)) if weights is None else weights
        weights = np.where(self.complete, weights, 0.0)
        if not weights.any():
            nothing = np.zeros(0)
            return Curve(nothing, nothing, (), INCOMPLETE)
        rows = weights > 0
        rates, scores = (
            np.average(table[rows], axis=0, weights=weights[rows])
            for table in (self.rates, self.scores)
        )
        return make_curve(rates, scores, self.settings, higher_is_better=higher_is_better)


def grids(study: Study, metric: str) -> dict[str, Grid]:
    """The points of every codec.

    Args:
        study: encodings with scores.
        metric: name of the metric.
    """
    images = {name: row for row, name in enumerate(study.images)}
    settings: dict[str, dict[str, int]] = {codec: {} for codec in study.codecs}
    for item in study.encodings:
        names = settings[item.codec]
        names.setdefault(item.setting, len(names))
    tables = {
        codec: np.full((2, len(images), len(names)), np.nan) for codec, names in settings.items()
    }
    for item, score in zip(study.encodings, study.scores[metric], strict=True):
        place = images[item.image], settings[item.codec][item.setting]
        tables[item.codec][:, place[0], place[1]] = item.rate, score
    return {
        codec: Grid(tuple(settings[codec]), table[0], table[1], np.isfinite(table).all(axis=(0, 2)))
        for codec, table in tables.items()
    }


def mean_curves(study: Study, metric: str) -> dict[str, Curve]:
    """The mean curve of every codec, see `Grid.mean`.

    All average over the same photographs: those that every codec has at each of its settings.
    Codecs without any such photograph are ignored here.
    """
    found = grids(study, metric)
    usable = [grid.complete for grid in found.values() if grid.complete.any()]
    common = np.logical_and.reduce(usable) if usable else np.zeros(len(study.images), bool)
    higher = study.higher_is_better[metric]
    return {
        codec: grid.mean(higher_is_better=higher, weights=common.astype(np.float64))
        for codec, grid in found.items()
    }


def pareto_front(
    curves: Mapping[str, Curve], *, higher_is_better: bool
) -> dict[str, frozenset[str]]:
    """The settings of each codec that no setting of any codec dominates.

    A setting dominates another if it costs no more bytes, scores no worse, and is better in one of
    the two.

    Args:
        curves: codec to its curve.
        higher_is_better: direction of the scores.
    """
    points = [
        (rate, score if higher_is_better else -score, codec, setting)
        for codec, curve in curves.items()
        for rate, score, setting in zip(curve.rates, curve.scores, curve.settings, strict=True)
    ]

    def dominated(rate: float, quality: float) -> bool:
        return any(
            other[0] <= rate and other[1] >= quality and (other[0] < rate or other[1] > quality)
            for other in points
        )

    front = [point for point in points if not dominated(*point[:2])]
    return {codec: frozenset(p[3] for p in front if p[2] == codec) for codec in curves}
