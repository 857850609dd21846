"""Draws the loss comparison of the GSN paper: SRCC during training, one line per loss."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from gsn_jax.benchmark.ablation.arms import LOSS_COMPARISON
from gsn_jax.benchmark.ablation.runs import Curve

# Okabe and Ito's palette with line styles, for colour-blind readers and print.
_STYLES = (("#E69F00", ":"), ("#0072B2", "--"), ("#009E73", "-"))


def mean_curve(curves: Sequence[Curve], arm: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Steps, mean and standard deviation of SRCC over an arm's seeds, `(E,)` each.

    The deviation is that of samples (N - 1), and 0 for one seed. The arrays are empty if the arm
    has no run.
    """
    own = [curve for curve in curves if curve.arm == arm]
    if not own:
        return np.empty(0), np.empty(0), np.empty(0)
    values = np.stack([curve.values["srcc"] for curve in own])
    deviation = values.std(axis=0, ddof=1) if len(own) > 1 else np.zeros(values.shape[1])
    return own[0].steps, values.mean(axis=0), deviation


def draw_loss_comparison(curves: Sequence[Curve]) -> Figure:
    """Plots the mean SRCC on held-out scenes over the steps, with one standard deviation."""
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.add_subplot()
    for (arm, label), (colour, style) in zip(LOSS_COMPARISON.items(), _STYLES, strict=True):
        steps, mean, deviation = mean_curve(curves, arm)
        if not len(steps):
            continue
        axes.plot(steps, mean, style, color=colour, label=label, linewidth=2, marker=".")
        axes.fill_between(
            steps, mean - deviation, mean + deviation, color=colour, alpha=0.2, linewidth=0
        )
    axes.set_xlabel("training steps")
    axes.set_ylabel("SRCC on held-out scenes")
    axes.grid(alpha=0.3)
    if axes.lines:
        axes.legend(loc="lower right")
    return figure


def write_figure(figure: Figure, folder: Path, stem: str) -> list[Path]:
    """Writes STEM.svg and STEM.png; equal figures give identical SVG files.

    Returns:
        The files.
    """
    files = [folder / f"{stem}.svg", folder / f"{stem}.png"]
    with matplotlib.rc_context({"svg.hashsalt": stem, "svg.fonttype": "none"}):
        figure.savefig(files[0], metadata={"Date": None})
        figure.savefig(files[1], dpi=150)
    return files
