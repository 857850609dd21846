"""`gsn benchmark`: many metrics on many data sets, in the layout of the poster's table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gsn_jax.cli import judging
from gsn_jax.errors import InputError

if TYPE_CHECKING:
    from gsn_jax.benchmark.agreement_rows import Judged


_TABLES = ("benchmark.md", "benchmark.tex", "benchmark.csv")


@click.command()
@click.option(
    "--dataset",
    "datasets",
    multiple=True,
    metavar="NAME[:SPLIT]",
    help="A prepared data set, or one split of it. May be repeated.",
)
@click.option(
    "--pairs",
    "tables",
    multiple=True,
    metavar="FILE.csv",
    help="A CSV table with the columns reference, distorted and an opinion score. May be repeated.",
)
@click.option(
    "--metric",
    default="all",
    show_default=True,
    metavar="NAME[,NAME...]|all",
    help="Metrics to compare; 'all' skips those whose weights are missing.",
)
@click.option(
    "--out",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Keep the scores of each set in DIR/SET, and write benchmark.md, .tex and .csv to DIR. If "
    "repeated, the command scores only what is missing.",
)
@judging.options
def command(
    datasets: tuple[str, ...], tables: tuple[str, ...], data_dir: str | None, **arguments: Any
) -> None:
    """Compare how well metrics agree with the opinion scores of several data sets.

    Prints the PLCC, SRCC, KRCC and main score of every metric on every set, with published values
    below the measured ones, the significance of the difference from gsn, and the time per pair.
    The column options apply to all tables.
    """
    if not datasets and not tables:
        raise InputError("give --dataset NAME or --pairs FILE.csv; both may be repeated")
    columns = judging.columns(arguments, tables=bool(tables))
    request = judging.Request(**arguments)
    judging.check(request)
    from gsn_jax.benchmark.judged_sets import check_names, open_prepared, open_table

    named = [name.partition(":") for name in datasets]
    sets = [open_prepared(name, split or "all", data_dir) for name, _, split in named]
    sets += [open_table(table, columns) for table in tables]
    check_names(sets)
    if request.out is not None:
        judging.check_tables(request.out, _TABLES, request)
    results, metrics = judging.judged_sets(sets, request)
    _tables(results, request.out)
    judging.write_report(results, metrics, request.report)


def _tables(sets: Sequence[Judged], out: Path | None) -> None:
    """Prints the table and, given a folder, writes it as Markdown, LaTeX and CSV."""
    from gsn_jax.benchmark import poster_table
    from gsn_jax.benchmark.text_tables import to_latex, to_markdown
    from gsn_jax.storage import write_text

    table = poster_table.poster_table(sets)
    judging.show(table)
    if out is None:
        return
    texts = to_markdown(table), to_latex(table), poster_table.to_csv(sets)
    for name, text in zip(_TABLES, texts, strict=True):
        write_text(out / name, text)
    for judged in sets:
        judging.write_agreement(judged, out)
    click.echo(f"tables: {out / 'benchmark'}.md, .tex, .csv; scores: {out}/SET", err=True)
