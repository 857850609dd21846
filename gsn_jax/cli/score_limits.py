"""`gsn score --fail-below`: limits on scores, and the exit code if a score or a pair fails."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from gsn_jax.cli.shared_options import number
from gsn_jax.errors import InputError
from gsn_jax.metric import Metric
from gsn_jax.scoring import pooling
from gsn_jax.scoring.limits import Limit
from gsn_jax.scoring.pairs import ScoredPair

# At most this many failed pairs, and this many scores worse than a limit, are named.
_SHOWN = 10


def parse(texts: Sequence[str], metrics: Sequence[Metric], *, pooled: bool = False) -> list[Limit]:
    """The limits in texts like `X`, `NAME=X` or, if pooled, `NAME:STATISTIC=X`.

    Raises:
        InputError: X is not a number, NAME is none of the metrics, it is missing although there
            are several, or a distance has no such statistic.
    """
    by_key = {metric.name: (metric, metric.name) for metric in metrics}
    if pooled:
        by_key = {metric.name: (metric, pooling.key_of(metric.name)) for metric in metrics}
        for metric in metrics:
            keys = [pooling.key_of(metric.name, statistic) for statistic in pooling.of(metric)]
            by_key |= {key: (metric, key) for key in keys}
    limits = []
    for text in texts:
        name, _, value = text.rpartition("=")
        if not name and len(metrics) > 1:
            example = f"{metrics[0].name}={text}"
            raise InputError(f"--fail-below {text}: say for which metric, e.g. {example}")
        name = name or metrics[0].name
        if name not in by_key:
            known = ", ".join(metric.name for metric in metrics)
            known += f"; statistics: {', '.join(pooling.STATISTICS)}" if pooled else ""
            raise InputError(f"--fail-below {text}: no score {name!r}; metrics: {known}")
        limit = number(value, f"--fail-below {text}: {value!r} is not a number")
        metric, key = by_key[name]
        limits.append(Limit(metric, limit, key))
    return limits


def conclude(
    scored: Sequence[ScoredPair], judged: Sequence[ScoredPair], limits: Sequence[Limit]
) -> None:
    """Names pairs that failed (exit code 2) and scores worse than a limit (exit code 1).

    Pairs that look shifted are reported too.

    Args:
        scored: all pairs.
        judged: what the limits apply to: the pairs, or their pooled scores.
        limits: the worst scores that pass.
    """
    _name_shifted(scored)
    worse = [
        f"{item.pair.distorted}: {complaint}"
        for limit in limits
        for item in judged
        if (complaint := limit.complaint(item.scores))
    ]
    bad = [item for item in scored if item.error]
    _name(worse)
    _name([item.error for item in bad])
    if bad and len(scored) > 1:
        click.echo(f"gsn: {len(bad)} of {len(scored)} pairs could not be scored", err=True)
    if bad or worse:
        sys.exit(2 if bad else 1)


def _name_shifted(scored: Sequence[ScoredPair]) -> None:
    found = [(item.pair.distorted, item.looks_shifted) for item in scored if item.looks_shifted]
    if found:
        name, shift = found[0]
        several = f"{len(found)} images look shifted; the first, {name},"
        who = several if len(found) > 1 else f"{name} looks shifted"
        across = f"{abs(shift.right):g} px {'right' if shift.right > 0 else 'left'}"
        along = f"{abs(shift.down):g} px {'down' if shift.down > 0 else 'up'}"
        by = " and ".join([across] * bool(shift.right) + [along] * bool(shift.down))
        click.echo(f"gsn: {who} by {by}; --align integer undoes this", err=True)


def _name(lines: Sequence[str]) -> None:
    for line in lines[:_SHOWN]:
        click.echo(f"gsn: {line}", err=True)
    if len(lines) > _SHOWN:
        click.echo(f"gsn: ... and {len(lines) - _SHOWN} more", err=True)
