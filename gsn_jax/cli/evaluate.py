"""`gsn evaluate`: how well metrics agree with people on one data set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gsn_jax.cli import judging
from gsn_jax.errors import InputError

# Beyond this many columns the table by type is left to the files.
_WIDEST = 8


@click.command()
@click.option("--dataset", metavar="NAME", help="A prepared data set, see 'gsn datasets'.")
@click.option(
    "--split", default="all", show_default=True, metavar="NAME", help="The part of the data set."
)
@click.option(
    "--pairs",
    "table",
    metavar="FILE.csv",
    help="Instead of a data set: a table with the columns reference, distorted, an opinion score "
    "and any others.",
)
@click.option(
    "--metric",
    default="gsn",
    show_default=True,
    metavar="NAME[,NAME...]|all",
    help="Metrics to judge, see 'gsn score --list-metrics'.",
)
@click.option(
    "--out",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Keep the scores and the tables in DIR/SET. Run again, the command continues, and scores "
    "only what is missing.",
)
@judging.options
def command(
    dataset: str | None, split: str, table: str | None, data_dir: Path | None, **arguments: Any
) -> None:
    """Judge metrics by their agreement with people on one data set.

    SRCC, KRCC, PLCC as it is and after the 4-parameter logistic fit, RMSE in the unit of the
    opinion scores, main score |PLCC| + |SRCC|, and 95 % bootstrap intervals by content, for the
    whole set and for each distortion type. docs/evaluation.md says how they are computed.
    """
    if (dataset is None) == (table is None):
        raise InputError("give --dataset NAME or --pairs FILE.csv, one of them; see --help")
    columns = judging.columns(arguments)
    request = judging.Request(**arguments)
    judging.check(request)
    from gsn_jax.benchmark.judged_sets import open_prepared, open_table

    if table is not None:
        judged = open_table(table, columns)
    else:
        name, _, part = dataset.partition(":")
        judged = open_prepared(name, part or split, data_dir)
    results, metrics = judging.judged_sets([judged], request)
    _tables(results[0], request.out)
    judging.write_report(results, metrics, request.report)


def _tables(judged: Any, out: Path | None) -> None:
    """Prints the tables, and keeps them where the scores are kept."""
    from gsn_jax.benchmark.agreement_tables import tables

    for number, table in enumerate(tables(judged)):
        if out is None or number == 0 or len(table.headers) <= _WIDEST:
            judging.show(table)
    if out is not None:
        judging.write_agreement(judged, out)
        click.echo(f"scores and tables: {out / judged.scored.name}", err=True)
