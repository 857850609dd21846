"""Everything that `gsn rd` reports on a study: deltas, equal quality, the Pareto front, times."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np

from gsn_jax.errors import InputError
from gsn_jax.rate_distortion import curves as curves_module
from gsn_jax.rate_distortion import deltas
from gsn_jax.rate_distortion.curves import Curve
from gsn_jax.rate_distortion.deltas import Delta, Estimate
from gsn_jax.rate_distortion.encodings import Study


@dataclasses.dataclass(frozen=True)
class Against:
    """One codec compared with the anchor by one metric.

    Attributes:
        metric: name of the metric.
        codec: name of the codec.
        rate: BD-rate by pchip, in percent; negative if the codec needs fewer bytes.
        rate_akima: the same by akima.
        score: BD-score by pchip, in the metric's unit.
        level: the score at which `saving` is taken.
        saving: difference in bytes at that score, in percent; negative if fewer.
        anchor_rate: bits per pixel of the anchor's mean curve at that score, NaN if not reached.
        codec_rate: likewise of the codec's mean curve.
    """

    metric: str
    codec: str
    rate: Estimate
    rate_akima: Estimate
    score: Estimate
    level: float
    saving: Estimate
    anchor_rate: float
    codec_rate: float


@dataclasses.dataclass(frozen=True)
class MetricView:
    """The curves of one metric.

    Attributes:
        name: name of the metric.
        higher_is_better: direction of its scores.
        by_image: `[codec][image]` to the curve.
        means: codec to its mean curve.
        front: codec to its settings on the Pareto front of the mean curves.
    """

    name: str
    higher_is_better: bool
    by_image: Mapping[str, Mapping[str, Curve]]
    means: Mapping[str, Curve]
    front: Mapping[str, frozenset[str]]


@dataclasses.dataclass(frozen=True)
class Times:
    """How long a codec takes, in milliseconds per megapixel; medians over its encodings."""

    codec: str
    encode: float
    decode: float
    encodings: int


@dataclasses.dataclass(frozen=True)
class Comparison:
    """A study and the results of its comparison.

    Attributes:
        study: encodings with scores.
        anchor: the codec that the others are compared with.
        metrics: name to the curves of each metric.
        against: one per metric and codec other than the anchor.
        times: one per codec whose times were measured.
    """

    study: Study
    anchor: str
    metrics: Mapping[str, MetricView]
    against: Sequence[Against]
    times: Sequence[Times]


def check_names(
    anchor: str | None, codecs: Collection[str], levels: Collection[str], metrics: Collection[str]
) -> None:
    """Checks the names of an anchor and of the metrics of levels.

    Raises:
        InputError: there is no such codec or metric.
    """
    if anchor is not None and anchor not in codecs:
        raise InputError(f"--anchor {anchor}: no such codec; choose from {', '.join(codecs)}")
    if unknown := [name for name in levels if name not in metrics]:
        raise InputError(f"--at {unknown[0]}: not one of the metrics {', '.join(metrics)}")


def compare(
    study: Study,
    anchor: str | None = None,
    *,
    levels: Mapping[str, float] | None = None,
    resamples: int = 2000,
) -> Comparison:
    """Compares every codec with the anchor.

    Args:
        study: encodings with scores.
        anchor: name of the anchor; by default the first codec.
        levels: metric to the score at which bytes are compared; by default a round score in the
            middle of the range that all mean curves cover.
        resamples: number of bootstrap samples; 0 for no intervals.

    Raises:
        InputError: there is no such codec, no metric for a level, or `bjontegaard` is missing.
    """
    deltas.check_installed()
    levels = levels or {}
    check_names(anchor, study.codecs, levels, study.scores)
    anchor = study.codecs[0] if anchor is None else anchor
    views = {name: _view(study, name) for name in study.scores}
    against = [
        _against(view, anchor, codec, levels.get(name), resamples)
        for name, view in views.items()
        for codec in study.codecs
        if codec != anchor
    ]
    return Comparison(study, anchor, views, against, _times(study))


def _view(study: Study, metric: str) -> MetricView:
    higher = study.higher_is_better[metric]
    means = curves_module.mean_curves(study, metric)
    return MetricView(
        metric,
        higher,
        curves_module.image_curves(study, metric),
        means,
        curves_module.pareto_front(means, higher_is_better=higher),
    )


def _against(
    view: MetricView, anchor: str, codec: str, level: float | None, resamples: int
) -> Against:
    higher = view.higher_is_better
    level = _middle(view.means) if level is None else level

    def estimate(function: Callable[..., Delta], **options: Any) -> Estimate:
        delta = functools.partial(function, higher_is_better=higher, **options)
        return deltas.over_images(
            view.by_image[anchor], view.by_image[codec], delta, resamples=resamples
        )

    def rate(name: str) -> float:
        return deltas.rate_at(view.means[name], level, higher_is_better=higher)

    return Against(
        view.name,
        codec,
        rate=estimate(deltas.bd_rate),
        rate_akima=estimate(deltas.bd_rate, method="akima"),
        score=estimate(deltas.bd_score),
        level=level,
        saving=estimate(deltas.saving_at, score=level),
        anchor_rate=rate(anchor),
        codec_rate=rate(codec),
    )


def _middle(means: Mapping[str, Curve]) -> float:
    """A round score in the middle of the common range of all curves; NaN if there is none."""
    usable = [curve.scores for curve in means.values() if not curve.problem]
    if not usable:
        return math.nan
    low, high = max(s.min() for s in usable), min(s.max() for s in usable)
    if low >= high:
        return math.nan
    step = 10.0 ** math.floor(math.log10((high - low) / 2))
    return round(round((low + high) / 2 / step) * step, 10)


def _times(study: Study) -> list[Times]:
    found = []
    for codec in study.codecs:
        items = [item for item in study.encodings if item.codec == codec and item.pixels]
        timed = [item for item in items if math.isfinite(item.encode_seconds)]
        if timed:
            encode, decode = (
                float(np.median([1e9 * getattr(item, name) / item.pixels for item in timed]))
                for name in ("encode_seconds", "decode_seconds")
            )
            found.append(Times(codec, encode, decode, len(timed)))
    return found
