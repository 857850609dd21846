"""`gsn score --runner beam`: a table of pairs scored by an Apache Beam pipeline."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click

from gsn_jax.errors import InputError


def options(command: Callable) -> Callable:
    """Gives a command the options of a pipeline."""
    runner = click.option(
        "--runner",
        type=click.Choice(["beam"]),
        help="Score --pairs with an Apache Beam pipeline, on one machine or many. --out is then a "
        "folder of Parquet files, and paths may be URLs such as gs://...",
    )
    option = click.option(
        "--beam-option",
        "beam_options",
        multiple=True,
        metavar="KEY=VALUE",
        help="A pipeline option; may be repeated. direct_num_workers=4 starts four processes on "
        "this machine, runner=DataflowRunner runs on Google Cloud.",
    )
    return runner(option(command))


def check(
    runner: str | None,
    table: str | None,
    out: str | None,
    form: str | None,
    limits: Sequence[str],
    maps: str | None,
    absent: Mapping[str, object],
) -> tuple[str, str]:
    """The table and the output folder of a pipeline; `absent` are options that it does not have.

    Raises:
        InputError: one of them is missing, or an option is given that a pipeline does not have.
    """
    if runner is None:
        raise InputError("--beam-option belongs to --runner beam, which is not given")
    if table is None:
        raise InputError("--runner beam scores the pairs of a table; give --pairs FILE.csv")
    if out is None:
        raise InputError("--runner beam writes a folder of Parquet files; give --out DIR")
    if form not in (None, "parquet"):
        raise InputError(f"--format {form}: --runner beam writes Parquet")
    if limits:
        raise InputError("--fail-below: not with --runner beam; look for such rows in its output")
    if maps is not None:
        raise InputError("--maps: not with --runner beam; draw those of a smaller table")
    for name, value in absent.items():
        if value:
            raise InputError(f"{name}: not with --runner beam; score a table without it")
    return table, out


def score(
    table: str,
    out: str,
    names: Sequence[str],
    checkpoint: str | None,
    loading: dict[str, Any],
    beam_options: Sequence[str],
) -> None:
    """Runs the pipeline and prints a summary. Exit code 2 if pairs could not be scored."""
    logging.disable(logging.WARNING)  # Beam warns about optional packages
    try:
        from gsn_jax.serving.beam import runners, scoring
        from gsn_jax.serving.beam.worker import Settings
    except ImportError as error:
        raise InputError(
            f"--runner beam needs Apache Beam ({error}); pip install 'gsn_jax[beam]'"
        ) from None
    finally:
        logging.disable(logging.NOTSET)
    from gsn_jax.scoring.by_name import named

    flags = runners.parse_options(beam_options)
    settings = Settings(tuple(named(*names, checkpoint=checkpoint)), checkpoint, **loading)
    summary = scoring.score_table(table, out, settings, flags, _say)
    for line in summary.errors:
        _say(line)
    if summary.bad > len(summary.errors):
        _say(f"... and {summary.bad - len(summary.errors)} more")
    good, files = summary.rows - summary.bad, len(summary.files)
    click.echo(
        f"{summary.rows} pairs: {good} scored, {summary.bad} bad; {files} "
        f"Parquet file{'' if files == 1 else 's'} in {out}"
    )
    if summary.bad:
        sys.exit(2)


def _say(text: str) -> None:
    click.echo(f"gsn: {text}", err=True)
