"""The ablation as tables: mean and standard deviation over seeds, beside the published numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from gsn_jax.benchmark.ablation.arms import ARMS, CONTRASTS
from gsn_jax.benchmark.ablation.runs import VALUES, Curve

_HEADINGS = ("PLCC", "SRCC", "main score")


def final_values(curves: Sequence[Curve], arm: str, value: str) -> dict[int, float]:
    """Seed to the *last* evaluation of each of the arm's runs.

    Not to the best one: the best of several on the same pairs is better than the model is.
    """
    return {curve.seed: float(curve.values[value][-1]) for curve in curves if curve.arm == arm}


def mean_and_deviation(values: Sequence[float]) -> tuple[float, float]:
    """Mean, and standard deviation of the sample (N - 1); NaN for the latter of one value."""
    deviation = float(np.std(values, ddof=1)) if len(values) > 1 else math.nan
    return float(np.mean(values)), deviation


def differences(curves: Sequence[Curve], first: str, second: str, value: str) -> list[float]:
    """The arm `second` minus the arm `first`, for each seed that both were trained with."""
    before, after = final_values(curves, first, value), final_values(curves, second, value)
    return [after[seed] - before[seed] for seed in before if seed in after]


def arms_table(curves: Sequence[Curve]) -> str:
    """Markdown: one row per arm with its agreement on held-out scenes and the poster's on PIPAL."""
    rows = [
        [
            "arm", "network", "loss", "seeds", *_HEADINGS,
            *(f"{heading}, poster (PIPAL)" for heading in _HEADINGS),
        ]
    ]  # fmt: skip
    for arm in ARMS.values():
        finals = [list(final_values(curves, arm.name, value).values()) for value in VALUES]
        if not finals[0]:
            continue
        rows.append(
            [arm.name.upper() if arm.published else arm.name, arm.network, arm.loss]
            + [str(len(finals[0]))]
            + [_spread(values) for values in finals]
            + [f"{value:.3f}" for value in arm.published or ()]
            + ["-"] * (0 if arm.published else len(VALUES))
        )
    return _markdown(rows)


def differences_table(curves: Sequence[Curve]) -> str:
    """Markdown: what each ingredient adds, as differences between runs of the same seed."""
    rows = [["what changes", "seeds", *_HEADINGS, "main score, poster (PIPAL)"]]
    for first, second, meaning in CONTRASTS:
        found = [differences(curves, first, second, value) for value in VALUES]
        if not found[0]:
            continue
        published = [ARMS[name].published for name in (first, second)]
        poster = f"{published[1][2] - published[0][2]:+.3f}" if all(published) else "-"
        ours = [_spread(values, sign="+") for values in found]
        rows.append([meaning, str(len(found[0])), *ours, poster])
    return _markdown(rows)


def _spread(values: Sequence[float], sign: str = "") -> str:
    mean, deviation = mean_and_deviation(values)
    return f"{mean:{sign}.3f}" + ("" if math.isnan(deviation) else f" ± {deviation:.3f}")


def _markdown(rows: Sequence[Sequence[str]]) -> str:
    """Columns are padded, so that the text is also a table on a terminal."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in rows
    ]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([lines[0], rule, *lines[1:]]) + "\n"
