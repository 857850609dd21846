"""The tables of `gsn rd` for the terminal, Markdown and LaTeX, and its sentences."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from gsn_jax.benchmark.text_tables import Cell, TextTable
from gsn_jax.errors import counted
from gsn_jax.rate_distortion.comparison import Against, Comparison
from gsn_jax.rate_distortion.curves import MIN_POINTS
from gsn_jax.rate_distortion.deltas import MIN_IMAGES, Estimate
from gsn_jax.rate_distortion.opinions import Seen, Verdict

_DASH = "–"


def tables(comparison: Comparison) -> list[TextTable]:
    """All tables of a comparison except the times, which differ from run to run."""
    if not any(item.rate.images for item in comparison.against):
        few = curve_table(comparison)
        return [delta_table(comparison), few] if comparison.against else [few]
    return [delta_table(comparison), quality_table(comparison)]


def delta_table(comparison: Comparison) -> TextTable:
    """BD-rate and BD-score of every codec by every metric."""
    images = len(comparison.study.images)
    rows = [
        [
            Cell(_arrowed(comparison, item.metric)),
            Cell(item.codec),
            Cell(percent(item.rate.value)),
            Cell(interval(item.rate)),
            Cell(percent(item.rate_akima.value)),
            Cell(signed(item.score.value)),
            Cell(f"{item.rate.images} of {images}"),
        ]
        for item in comparison.against
    ]
    return TextTable(
        f"Bytes at equal quality, against {comparison.anchor} (BD-rate)",
        ["metric", "codec", "BD-rate", "95 % interval", "akima", "BD-score", "images"],
        rows,
        words=(0, 1),
        notes=delta_notes(comparison),
    )


def curve_table(comparison: Comparison) -> TextTable:
    """The mean curves, for a study without any BD-rate."""
    rows = [
        [
            Cell(_arrowed(comparison, name)),
            *map(Cell, (codec, setting, fixed(rate, 3), fixed(score, 4))),
        ]
        for name, view in comparison.metrics.items()
        for codec, curve in view.means.items()
        for setting, rate, score in zip(curve.settings, curve.rates, curve.scores, strict=True)
    ]
    needed = f"BD-rates need at least {MIN_POINTS} settings of each codec."
    notes = (
        [needed] if comparison.against else ["BD-rates need two codecs.", *delta_notes(comparison)]
    )
    return TextTable(
        "Mean bits per pixel and scores",
        ["metric", "codec", "setting", "bpp", "score"],
        rows,
        words=(0, 1),
        notes=[*notes, *front_notes(comparison)],
    )


def quality_table(comparison: Comparison) -> TextTable:
    """Bytes at one score of each metric."""
    images = len(comparison.study.images)
    rows = [
        [
            Cell(f"{item.metric} {number(item.level)}"),
            Cell(item.codec),
            Cell(fixed(item.anchor_rate, 3)),
            Cell(fixed(item.codec_rate, 3)),
            Cell(percent(item.saving.value)),
            Cell(interval(item.saving)),
            Cell(f"{item.saving.images} of {images}"),
        ]
        for item in comparison.against
    ]
    anchor = comparison.anchor
    return TextTable(
        f"Bits per pixel at one score, against {anchor}",
        ["at", "codec", f"{anchor} bpp", "codec bpp", "bytes", "95 % interval", "images"],
        rows,
        words=(0, 1),
        notes=[*sentences(comparison), *front_notes(comparison)],
    )


def time_table(comparison: Comparison) -> TextTable:
    """Encode and decode times."""
    return TextTable(
        "Milliseconds per megapixel (median)",
        ["codec", "encode", "decode", "files"],
        [
            [
                Cell(t.codec),
                Cell(fixed(t.encode, 1)),
                Cell(fixed(t.decode, 1)),
                Cell(str(t.encodings)),
            ]
            for t in comparison.times
        ],
        notes=["One thread per file, while other files were encoded in parallel."],
    )


def opinion_table(verdict: Verdict) -> TextTable:
    """BD-rates of mean curves by people and by every metric, the nearest metrics first."""
    codecs = list(verdict.people)
    headers = ["by", *(title for codec in codecs for title in (codec, "95 % interval"))]

    def cells(seen: Mapping[str, Seen]) -> list[Cell]:
        return [
            cell
            for codec in codecs
            for cell in (Cell(percent(seen[codec].value)), Cell(interval(seen[codec])))
        ]

    differences = {name: verdict.difference(name) for name in verdict.metrics}
    order = sorted(
        differences, key=lambda name: (math.isnan(differences[name]), differences[name], name)
    )
    rows = [[Cell("people"), *cells(verdict.people), Cell(_DASH), Cell(_DASH), Cell(_DASH)]]
    rows += [
        [
            Cell(name),
            *cells(verdict.metrics[name]),
            Cell(fixed(differences[name], 1), standing=int(name == verdict.nearest)),
            Cell(fixed(verdict.srcc[name], 3)),
            Cell(str(verdict.images[name])),
        ]
        for name in order
    ]
    notes = [
        f"BD-rates of the mean curves of {verdict.settings} settings against {verdict.anchor}. "
        "Difference: mean distance from people, in percentage points."
    ]
    for name, seen in (("people", verdict.people), *verdict.metrics.items()):
        for codec, item in seen.items():
            if item.problem:
                notes.append(f"{name}, {codec}: no BD-rate: {item.problem}.")
    if verdict.nearest:
        notes.append(f"Nearest to people: {verdict.nearest}.")
    if verdict.rate_errors:
        worst = max(verdict.rate_errors, key=lambda name: abs(verdict.rate_errors[name]))
        notes.append(
            "Bits per pixel differ from those of the judged files by at most "
            f"{abs(100 * verdict.rate_errors[worst]):.2f} % ({worst})."
        )
    if verdict.unmatched:
        notes.append(f"Settings with opinions but without files: {', '.join(verdict.unmatched)}.")
    return TextTable(
        f"Bytes at equal quality against {verdict.anchor}, by people and by metrics",
        [*headers, "difference", "SRCC", "images"],
        rows,
        notes=notes,
    )


def delta_notes(comparison: Comparison) -> list[str]:
    """The protocol, and why photographs, mean curves, intervals or scores are missing."""
    protocol = comparison.study.protocol
    notes = [f"Protocol: {protocol}."] if protocol else []
    for item in comparison.against:
        for kind, estimate in (("BD-rate", item.rate), ("BD-score", item.score)):
            if kind == "BD-score" and estimate.left_out == item.rate.left_out:
                continue
            for reason, count in estimate.left_out.items():
                notes.append(
                    f"{item.metric}, {item.codec}: {kind} without {_photographs(count)}: {reason}."
                )
    for name, view in comparison.metrics.items():
        for codec, curve in view.means.items():
            if curve.problem:
                notes.append(
                    f"{name}, {codec}: the mean curve is not interpolated: {curve.problem}."
                )
    if any(0 < item.rate.images < MIN_IMAGES for item in comparison.against):
        notes.append(f"An interval needs at least {MIN_IMAGES} photographs.")
    failed = [error for error in comparison.study.errors if error]
    if failed:
        files = "1 file has" if len(failed) == 1 else f"{len(failed)} files have"
        notes.append(f"{files} no score; the first: {failed[0]}")
    return notes


def sentences(comparison: Comparison) -> Iterator[str]:
    """For every codec and metric, the bytes saved at the metric's level."""
    for item in comparison.against:
        if text := sentence(item, comparison.anchor):
            yield text


def sentence(item: Against, anchor: str) -> str:
    """Such as "avif needs 47 % fewer bytes than jpeg at gsn 0.9 (44 to 50)."; "" if undefined."""
    saving = item.saving
    if math.isnan(saving.value):
        return ""
    fewer = saving.value < 0
    about = ""
    if saving.low > 0 or saving.high < 0:
        ends = sorted((abs(saving.low), abs(saving.high)))
        about = f" ({ends[0]:.0f} to {ends[1]:.0f})"
    elif not math.isnan(saving.low):
        about = f"; the interval, {interval(saving)} %, includes 0"
    return (
        f"{item.codec} needs {abs(saving.value):.0f} % {'fewer' if fewer else 'more'} bytes than "
        f"{anchor} at {item.metric} {number(item.level)}{about}."
    )


def front_notes(comparison: Comparison) -> Iterator[str]:
    """The Pareto front of each metric's mean curves, by codec."""
    for name, view in comparison.metrics.items():
        parts = []
        for codec, curve in view.means.items():
            settings = [setting for setting in curve.settings if setting in view.front[codec]]
            if settings:
                everything = len(settings) == len(curve.settings)
                parts.append(f"{codec} {'all' if everything else ' '.join(settings)}")
        if parts:
            yield f"Pareto front by {name}: {', '.join(parts)}."


def percent(value: float) -> str:
    """A signed percentage with one decimal; a dash for NaN."""
    return _DASH if math.isnan(value) else f"{value:+.1f} %".replace("-", "−")


def interval(estimate: Estimate | Seen) -> str:
    """Both ends of an interval; a dash if there is none."""
    if math.isnan(estimate.low):
        return _DASH
    return f"{estimate.low:+.1f} to {estimate.high:+.1f}".replace("-", "−")


def signed(value: float) -> str:
    """A signed number with three significant digits; a dash for NaN."""
    return _DASH if math.isnan(value) else f"{value:+#.3g}".rstrip(".").replace("-", "−")


def number(value: float) -> str:
    """A number in its shortest form; a dash for NaN."""
    return _DASH if math.isnan(value) else f"{value:g}".replace("-", "−")


def fixed(value: float, digits: int) -> str:
    """A number with `digits` decimals; a dash for NaN."""
    return _DASH if math.isnan(value) else f"{value:.{digits}f}".replace("-", "−")


def _arrowed(comparison: Comparison, metric: str) -> str:
    return f"{metric} {'↑' if comparison.metrics[metric].higher_is_better else '↓'}"


def _photographs(count: int) -> str:
    return counted(count, "photograph")
