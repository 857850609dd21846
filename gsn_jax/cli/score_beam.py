"""`gsn score --runner beam`: a table of pairs scored by an Apache Beam pipeline."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Sequence
from typing import Any

import click

from gsn_jax.errors import InputError


def options(command: Callable) -> Callable:
    """Gives a command the options of a pipeline."""
    runner = click.option(
        "--runner",
        type=click.Choice(["beam"]),
        help="Score the table of --pairs with an Apache Beam pipeline, on one machine or many; "
        "--out is then a folder of Parquet files, and paths may be URLs (gs://...).",
    )
    option = click.option(
        "--beam-option",
        "beam_options",
        multiple=True,
        metavar="KEY=VALUE",
        help="An option of the pipeline, as often as needed: direct_num_workers=4 for four "
        "processes on this machine, runner=DataflowRunner for Google's.",
    )
    return runner(option(command))


def wanted(
    runner: str | None,
    beam_options: Sequence[str],
    table: str | None,
    out: str | None,
    form: str | None,
    limits: Sequence[str],
    maps: str | None,
) -> bool:
    """Whether a pipeline is to be run.

    Raises:
        InputError: it is to do what it cannot.
    """
    if runner is None:
        if beam_options:
            raise InputError("--beam-option belongs to --runner beam, which is not given")
        return False
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
    return True


def score(
    table: str,
    out: str,
    names: Sequence[str],
    checkpoint: str | None,
    loading: dict[str, Any],
    beam_options: Sequence[str],
) -> None:
    """Runs the pipeline and says what came of it; exit code 2 if pairs could not be scored."""
    logging.disable(logging.WARNING)  # Beam complains of extras that it lacks
    try:
        from gsn_jax.serving.beam import runners, scoring
        from gsn_jax.serving.beam.worker import Settings
    except ImportError as error:
        raise InputError(
            f"--runner beam needs Apache Beam ({error}); pip install 'gsn_jax[beam]'"
        ) from None
    finally:
        logging.disable(logging.NOTSET)
    flags = runners.parse_options(beam_options)
    settings = Settings(tuple(names), checkpoint, **loading)
    summary = scoring.score_table(table, out, settings, flags, _say)
    for error in summary.errors:
        _say(error)
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
