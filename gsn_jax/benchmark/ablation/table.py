"""Tables of the ablation: mean and standard deviation over seeds beside published numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import tabulate

from gsn_jax.benchmark.ablation.arms import ARMS, CONTRASTS
from gsn_jax.benchmark.ablation.runs import VALUES, Curve

_HEADINGS = ("PLCC", "SRCC", "main score")


def final_values(curves: Sequence[Curve], arm: str, value: str) -> dict[int, float]:
    """Maps each seed of an arm to its *last* evaluation; the best of several would be biased."""
    return {curve.seed: float(curve.values[value][-1]) for curve in curves if curve.arm == arm}


def mean_and_deviation(values: Sequence[float]) -> tuple[float, float]:
    """Mean and sample standard deviation (N - 1), which is NaN for one value."""
    deviation = float(np.std(values, ddof=1)) if len(values) > 1 else math.nan
    return float(np.mean(values)), deviation


def differences(curves: Sequence[Curve], first: str, second: str, value: str) -> list[float]:
    """Differences of `second` minus `first`, for each seed that both have."""
    before, after = final_values(curves, first, value), final_values(curves, second, value)
    return [after[seed] - before[seed] for seed in before if seed in after]


def arms_table(curves: Sequence[Curve]) -> str:
    """Markdown: one row per arm with its agreement on held-out scenes and the poster's on PIPAL."""
    headers = ["arm", "network", "loss", "seeds", *_HEADINGS]
    headers += [f"{heading}, poster (PIPAL)" for heading in _HEADINGS]
    rows = []
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
    return _markdown(headers, rows)


def differences_table(curves: Sequence[Curve]) -> str:
    """Markdown: the effect of each ingredient, as differences between runs of the same seed."""
    headers = ["what changes", "seeds", *_HEADINGS, "main score, poster (PIPAL)"]
    rows = []
    for first, second, meaning in CONTRASTS:
        found = [differences(curves, first, second, value) for value in VALUES]
        if not found[0]:
            continue
        before, after = ARMS[first].published, ARMS[second].published
        poster = f"{after[2] - before[2]:+.3f}" if before and after else "-"
        ours = [_spread(values, sign="+") for values in found]
        rows.append([meaning, str(len(found[0])), *ours, poster])
    return _markdown(headers, rows)


def _spread(values: Sequence[float], sign: str = "") -> str:
    mean, deviation = mean_and_deviation(values)
    return f"{mean:{sign}.3f}" + ("" if math.isnan(deviation) else f" ± {deviation:.3f}")


def _markdown(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return tabulate.tabulate(rows, headers, "github", disable_numparse=True) + "\n"
