"""`gsn evaluate`: how well metrics agree with opinion scores on one data set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gsn_jax.cli import judging
from gsn_jax.errors import InputError

# With --out, a wider table by distortion type is written there but not printed.
_WIDEST = 8


@click.command()
@click.option("--dataset", metavar="NAME[:SPLIT]", help="A prepared data set; see 'gsn datasets'.")
@click.option("--split", metavar="NAME", help="Split of the data set.  [default: all of it]")
@click.option(
    "--pairs",
    "table",
    metavar="FILE.csv",
    help="Use a CSV table instead, with the columns reference, distorted and an opinion score.",
)
@click.option(
    "--metric",
    default="gsn",
    show_default=True,
    metavar="NAME[,NAME...]|all",
    help="Metrics to evaluate; see 'gsn score --list-metrics'. 'all' skips those whose weights are "
    "missing.",
)
@click.option(
    "--out",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Keep scores and tables in DIR/SET. If repeated, the command scores only what is missing.",
)
@judging.options
def command(
    dataset: str | None,
    split: str | None,
    table: str | None,
    data_dir: str | None,
    **arguments: Any,
) -> None:
    """Measure how well metrics agree with the opinion scores of one data set.

    Prints SRCC, KRCC, PLCC (raw and after a 4-parameter logistic fit), RMSE in the unit of the
    opinion scores, the main score |PLCC| + |SRCC|, and 95% bootstrap intervals resampled by
    content, for the whole set and per distortion type. For definitions, see the page "Evaluation"
    of the documentation.
    """
    if (dataset is None) == (table is None):
        raise InputError("give either --dataset NAME or --pairs FILE.csv; see --help")
    if split is not None and dataset is None:
        raise InputError(f"--split {split} is for --dataset NAME; leave it out")
    name, _, part = (dataset or "").partition(":")
    if split is not None and part:
        raise InputError(f"--dataset {dataset} and --split {split} name two splits; leave out one")
    columns = judging.columns(arguments, tables=table is not None)
    request = judging.Request(**arguments)
    judging.check(request)
    from gsn_jax.benchmark.judged_sets import open_prepared, open_table

    if table is not None:
        judged = open_table(table, columns)
    else:
        judged = open_prepared(name, part or ("all" if split is None else split), data_dir)
    results, metrics = judging.judged_sets([judged], request)
    _tables(results[0], request.out)
    judging.write_report(results, metrics, request.report)


def _tables(judged: Any, out: Path | None) -> None:
    """Prints the tables and, given a folder, writes them beside the scores."""
    from gsn_jax.benchmark.agreement_tables import tables

    for number, table in enumerate(tables(judged)):
        if out is None or number == 0 or len(table.headers) <= _WIDEST:
            judging.show(table)
    if out is not None:
        judging.write_agreement(judged, out)
        click.echo(f"scores and tables: {out / judged.scored.name}", err=True)
