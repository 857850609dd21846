"""Scores a data set with several metrics, resuming from scores on disk, and times them."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from pathlib import Path

from gsn_jax.benchmark import speed
from gsn_jax.benchmark.judged_sets import JudgedSet
from gsn_jax.benchmark.score_store import LOCK, ScoreStore
from gsn_jax.benchmark.scored_set import ScoredSet
from gsn_jax.benchmark.scoring_run import Progress, score_set
from gsn_jax.errors import InputError, counted
from gsn_jax.metric import Metric
from gsn_jax.scoring.outputs import alone


def scored_set(
    judged: JudgedSet,
    metrics: Sequence[Metric],
    out: Path | None = None,
    *,
    rescore: bool = False,
    time_pairs: int = 0,
    time_again: bool = False,
    progress: Progress | None = None,
    batch_size: int | None = None,
) -> ScoredSet:
    """Scores every pair that has no score in the folder `out/NAME` yet.

    Args:
        judged: the data set.
        metrics: the metrics.
        out: folder that keeps the scores; None keeps nothing.
        rescore: see `score_set`.
        time_pairs: number of pairs for timing metrics whose time is unknown; 0 does not time.
        time_again: whether to time all metrics, even those whose time is known.
        progress: see `score_set`.
        batch_size: see `score_set`.

    Raises:
        InputError: `out` holds scores of other data or of another version, cannot be written, or
            another run is scoring into it.
    """
    folder = _folder(judged, out)
    with contextlib.nullcontext() if folder is None else alone(folder, LOCK):
        store = ScoreStore(judged, folder, rescore=rescore)
        score_set(store, metrics, rescore=rescore, progress=progress, batch_size=batch_size)
        untimed = [
            metric
            for metric in metrics
            if time_again or math.isnan(store.columns[metric.name].seconds)
        ]
        if time_pairs and untimed:
            times = speed.seconds_per_pair(untimed, judged.source, time_pairs)
            for metric, seconds in zip(untimed, times, strict=True):
                store.columns[metric.name].seconds = seconds
            store.save()
    return store.scored_set([metric.name for metric in metrics])


def kept_set(
    judged: JudgedSet, names: Sequence[str] | None, out: Path
) -> tuple[ScoredSet, dict[str, str]]:
    """Reads the scores in `out/NAME` without scoring; pairs without a score are left out.

    Args:
        judged: the data set.
        names: the metrics; None for all that have scores.
        out: the folder that `scored_set` was given.

    Returns:
        The set, and the reason for each metric that is skipped.

    Raises:
        InputError: the folder has no scores, or scores of other data.
    """
    store = ScoreStore(judged, _folder(judged, out))
    wanted = list(store.columns) if names is None else list(names)
    passed_over = {}
    for name in wanted:
        column = store.columns.get(name)
        if column is None or not column.scored.any():
            passed_over[name] = f"no scores in {_folder(judged, out)}"
            continue
        for index in range(len(column.values)):
            if not column.scored[index]:
                column.set(index, math.nan, "not scored yet")
    held = [name for name in wanted if name not in passed_over]
    if not held:
        raise InputError(
            f"{_folder(judged, out)}: contains no scores of these metrics; score first, without "
            "--no-scoring"
        )
    return store.scored_set(held), passed_over


def left_out(scored: ScoredSet, most: int = 10) -> list[str]:
    """One line per pair and reason for missing scores; beyond `most` lines, only their number."""
    reasons: dict[tuple[int, str], list[str]] = {}
    for name, scores in scored.metrics.items():
        for index, line in scores.errors.items():
            reasons.setdefault((index, line), []).append(name)
    lines = []
    for (index, line), names in sorted(reasons.items()):
        who = "every metric" if len(names) == len(scored.metrics) else ", ".join(names)
        lines.append(f"{scored.source.describe(index)}: left out of {who}: {line}")
    if len(lines) > most:
        pairs = len({index for index, _ in reasons})
        affected = f"{counted(pairs, 'pair')} {'is' if pairs == 1 else 'are'} affected"
        lines = [*lines[:most], f"... and {len(lines) - most} more; {affected}"]
    return lines


def _folder(judged: JudgedSet, out: Path | None) -> Path | None:
    return None if out is None else out / judged.name
