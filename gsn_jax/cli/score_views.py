"""What `gsn score` prints: scores, pooled scores, and the list of metrics."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gsn_jax.cli.counting import counting_bar

if TYPE_CHECKING:
    from gsn_jax.metric import Metric
    from gsn_jax.scoring.pairs import Loading, Pair, ScoredPair
    from gsn_jax.scoring.protocol import Protocol
    from gsn_jax.scoring.regions import Tiles
    from gsn_jax.scoring.tables import Layout


@dataclasses.dataclass(frozen=True)
class Job:
    """What is scored, and how.

    Attributes:
        pairs: the pairs.
        metrics: the metrics, under the protocol.
        loading: how pairs are loaded from files.
        protocol: what the metrics see of an image.
        tiles: numbers of rows and columns of tiles; None for no tiles.
        layout: the layout of the table.
    """

    pairs: Sequence[Pair]
    metrics: Sequence[Metric]
    loading: Loading
    protocol: Protocol
    tiles: Tiles | None
    layout: Layout

    @property
    def remarks(self) -> str:
        """What a reader of the scores must know, such as "luma studio"; "" if nothing."""
        resize, align = self.loading.resize, self.loading.align
        parts = [str(self.protocol), f"resize {resize}" if resize else ""]
        return ", ".join(filter(None, [*parts, f"align {align}" if align != "none" else ""]))


def score_to_screen(
    job: Job, scored: Iterator[tuple[int, ScoredPair]], escape_formulas: bool
) -> list[ScoredPair]:
    """Prints scores in the order of the pairs: a table on a terminal, otherwise CSV row by row."""
    from gsn_jax.scoring.many_pairs import in_order
    from gsn_jax.scoring.tables import write_rows

    rows: list[ScoredPair] = []
    ordered = in_order(scored)

    def noted(items: Iterator[ScoredPair]) -> Iterator[ScoredPair]:
        for item in items:
            rows.append(item)
            yield item

    with progress(len(job.pairs)) as advance:
        if sys.stdout.isatty():
            rows.extend(advance(ordered))
        else:
            names = [metric.name for metric in job.metrics]
            write_rows(
                sys.stdout,
                noted(advance(ordered)),
                names,
                layout=job.layout,
                escape_formulas=escape_formulas,
            )
    if sys.stdout.isatty():
        print_scores(rows, job)
    elif job.remarks:
        click.echo(f"gsn: scored with {job.remarks}", err=True)
    return rows


def score_in_silence(total: int, scored: Iterator[tuple[int, ScoredPair]]) -> list[ScoredPair]:
    """Scored pairs in the order of their indices; shows a progress bar but no scores."""
    from gsn_jax.scoring.many_pairs import in_order

    with progress(total) as advance:
        return list(in_order(advance(scored)))


def pool_to_screen(
    scored: Sequence[ScoredPair], metrics: Sequence[Metric], escape_formulas: bool
) -> list[ScoredPair]:
    """Pools scores and prints the result: a table on a terminal, otherwise CSV."""
    from gsn_jax.scoring import pooling
    from gsn_jax.scoring.tables import write_rows

    pooled = pooling.pool(scored, metrics)
    if not sys.stdout.isatty():
        keys = pooling.keys_of(metrics)
        write_rows(sys.stdout, pooled, keys, escape_formulas=escape_formulas)
        return pooled
    for item in pooled:
        view = Table(title=Text(item.pair.distorted))
        view.add_column("")
        for metric in metrics:
            view.add_column(f"{metric.name} {arrow(metric)}", justify="right")
        for statistic in pooling.STATISTICS:
            values = [item.scores.get(pooling.key_of(m.name, statistic)) for m in metrics]
            cells = ["-" if value is None else f"{value:.4f}" for value in values]
            view.add_row(statistic.replace("_", " "), *cells)
        Console().print(view)
    return pooled


@contextlib.contextmanager
def progress(total: int, done: int = 0) -> Iterator[Any]:
    """A function that passes items on and counts them on a progress bar, if there are several."""
    if total < 2:
        yield iter
        return
    with counting_bar(transient=True, rate="pairs") as bar:
        task = bar.add_task("scoring", total=total, completed=done)

        def advance(items: Iterator[Any]) -> Iterator[Any]:
            for item in items:
                yield item
                bar.advance(task)

        yield advance


def print_scores(scored: Sequence[ScoredPair], job: Job) -> None:
    """Prints scores as a table on a terminal."""
    several = len({item.pair.reference for item in scored}) > 1
    headers = {metric.name: f"{metric.name} {arrow(metric)}" for metric in job.metrics}
    hidden = {"error"} if several else {"error", "reference"}
    shown = [name for name in job.layout.columns(list(headers)) if name not in hidden]
    view = Table(caption=job.remarks or None)
    for name in shown:
        if name in ("reference", "distorted", "mask"):
            view.add_column(name, overflow="fold")
        else:
            view.add_column(headers.get(name, name), justify="right")
    for item in scored:
        for row in job.layout.rows(item, list(headers)):
            view.add_row(*(Text(_cell(name, row[name])) for name in shown))
    Console().print(view)


def _cell(column: str, value: str | int | float | None) -> str:
    if value is None:
        return "" if column in ("row", "column") else "-"
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def arrow(metric: Metric) -> str:
    """An arrow in the direction of better scores."""
    return "↑" if metric.higher_is_better else "↓"


def print_metrics() -> None:
    """Prints the name, range and direction of each metric, or why it is not available."""
    from gsn_jax.scoring.by_name import available

    found, missing = available()
    for metric in found:
        low, high = metric.value_range
        direction = "higher" if metric.higher_is_better else "lower"
        click.echo(f"{metric.name}: {low:g} to {high:g}, {direction} is better")
    for name, reason in missing.items():
        click.echo(f"{name}: not available: {reason}")
