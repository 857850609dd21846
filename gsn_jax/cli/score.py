"""`gsn score`: score distorted images against their reference, or a table of pairs."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.progress import track
from rich.table import Table

from gsn_jax.errors import InputError

if TYPE_CHECKING:
    from gsn_jax.metric import Metric
    from gsn_jax.pair_scoring import Pair, ScoredPair


@click.command()
@click.argument("reference", required=False, metavar="REFERENCE")
@click.argument("distorted", nargs=-1, metavar="DISTORTED...")
@click.option(
    "--pairs",
    "table",
    metavar="FILE.csv",
    help="Score the pairs of a table with the columns reference,distorted (and any others); "
    "paths are relative to the table.",
)
@click.option(
    "--out",
    metavar="FILE.csv",
    help="Write the scores to a table: one row per pair, in order, with a column 'error'.",
)
@click.option(
    "--metric",
    "names",
    default="gsn",
    show_default=True,
    metavar="NAME[,NAME...]",
    help="Metrics to compute: gsn, or any name that 'gsn score --list-metrics' prints.",
)
@click.option(
    "--checkpoint",
    metavar="DIR",
    help="Use this model for gsn: a model's folder, a training run's, or one checkpoint's.",
)
@click.option(
    "--alpha",
    type=click.Choice(["refuse", "black", "white"]),
    default="refuse",
    show_default=True,
    help="What to do with transparent pixels: refuse the image, or composite it.",
)
@click.option(
    "--max-pixels",
    type=click.IntRange(min=1),
    default=80_000_000,
    show_default=True,
    help="Refuse larger images.",
)
@click.option(
    "--maps",
    metavar="DIR",
    help="Draw the quality maps of each pair, beside the distorted image, into this folder.",
)
@click.option("--list-metrics", is_flag=True, help="Print the metrics and their directions.")
def command(
    reference: str | None,
    distorted: tuple[str, ...],
    table: str | None,
    out: str | None,
    names: str,
    checkpoint: str | None,
    alpha: str,
    max_pixels: int,
    maps: str | None,
    list_metrics: bool,
) -> None:
    """Score DISTORTED images against their REFERENCE.

    gsn gives quality in [0, 1], up = better; an identical image has 1. PNG, JPEG, WebP, TIFF and
    BMP are read; sizes must be equal. Exit code 2 says that at least one pair could not be scored.
    """
    if list_metrics:
        _print_metrics()
        return
    # The arguments are checked before JAX is imported, which takes seconds.
    if table is None and (reference is None or not distorted):
        raise InputError("give REFERENCE and DISTORTED images, or --pairs FILE.csv; see --help")
    if table is not None and reference is not None:
        raise InputError("give either images or --pairs, not both")
    from gsn_jax.pair_scoring import Pair, pairs_of_table, score_pairs, write_rows, write_table

    if table is not None:
        pairs = pairs_of_table(table)
    else:
        pairs = [Pair(reference, name, Path(reference), Path(name)) for name in distorted]
    metrics = _resolve(names, checkpoint)
    columns = [metric.name for metric in metrics]
    if maps is not None:
        from gsn_jax.cli import map_option

        writer = map_option.map_writer(maps, metrics, pairs)
    bad: list[ScoredPair] = []
    scored = score_pairs(pairs, metrics, alpha=alpha, max_pixels=max_pixels)
    scored = _collect_bad(_with_progress(scored, pairs), bad)
    if out is not None:
        write_table(out, scored, columns)
    elif sys.stdout.isatty():
        _print_table(list(scored), metrics)
    else:
        write_rows(sys.stdout, scored, columns)
    if maps is not None:
        spoiled = {id(item.pair) for item in bad}
        good = [pair for pair in pairs if id(pair) not in spoiled]
        map_option.draw_maps(writer, good, alpha, max_pixels)
    if bad:
        _fail(bad, len(pairs))


def _resolve(names: str, checkpoint: str | None) -> list[Metric]:
    from gsn_jax import scoring

    wanted = list(dict.fromkeys(name.strip() for name in names.split(",") if name.strip()))
    if not wanted:
        raise InputError("--metric names no metric")
    if checkpoint is not None and "gsn" not in wanted:
        raise InputError("--checkpoint is a model for gsn, which --metric does not name")
    return [
        scoring.load(checkpoint, name="gsn")
        if name == "gsn" and checkpoint is not None
        else scoring.resolve(name)
        for name in wanted
    ]


def _with_progress(scored: Iterable[ScoredPair], pairs: Sequence[Pair]) -> Iterable[ScoredPair]:
    console = Console(stderr=True)
    quiet = not console.is_terminal or len(pairs) < 2
    return track(
        scored, "scoring", total=len(pairs), console=console, transient=True, disable=quiet
    )


def _collect_bad(scored: Iterable[ScoredPair], bad: list[ScoredPair]) -> Iterator[ScoredPair]:
    for item in scored:
        if item.error:
            bad.append(item)
        yield item


def _fail(bad: Sequence[ScoredPair], total: int) -> None:
    """Names the bad pairs, the first ten of them, and leaves with exit code 2."""
    for item in bad[:10]:
        click.echo(f"gsn: {item.error}", err=True)
    if len(bad) > 10:
        click.echo(f"gsn: ... and {len(bad) - 10} more", err=True)
    if total > 1:
        click.echo(f"gsn: {len(bad)} of {total} pairs could not be scored", err=True)
    sys.exit(2)


def _print_table(scored: Sequence[ScoredPair], metrics: Sequence[Metric]) -> None:
    several = len({item.pair.reference for item in scored}) > 1
    view = Table()
    for header in (["reference"] if several else []) + ["distorted"]:
        view.add_column(header, overflow="fold")
    for metric in metrics:
        view.add_column(f"{metric.name} {arrow(metric)}", justify="right")
    for item in scored:
        names = [item.pair.reference] if several else []
        values = [f"{item.scores[metric.name]:.4f}" if item.scores else "-" for metric in metrics]
        view.add_row(*names, item.pair.distorted, *values)
    Console().print(view)


def arrow(metric: Metric) -> str:
    """Which way is better."""
    return "↑" if metric.higher_is_better else "↓"


def _print_metrics() -> None:
    from gsn_jax import metrics, scoring

    for name in (*scoring.shipped(), *metrics.names()):
        try:
            metric = scoring.resolve(name)
        except InputError as error:
            click.echo(f"{name}: not available: {error}")
            continue
        low, high = metric.value_range
        click.echo(f"{name}: {low:g} to {high:g}, {arrow(metric)} better")
