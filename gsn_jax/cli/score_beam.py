"""`gsn score --runner beam`: a table of pairs scored by an Apache Beam pipeline."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

import click

from gsn_jax.cli.interruption import interruptible
from gsn_jax.cli.score_options import Request
from gsn_jax.cli.score_processes import refuse_flags
from gsn_jax.cli.shared_options import together
from gsn_jax.errors import InputError, counted

if TYPE_CHECKING:
    from gsn_jax.scoring.protocol import Protocol


options = together(
    click.option(
        "--runner",
        type=click.Choice(["beam"]),
        help="Score --pairs with an Apache Beam pipeline, on one machine or many. --out is then a "
        "folder of Parquet files, and paths may be URLs such as gs://...",
    ),
    click.option(
        "--beam-option",
        "beam_options",
        multiple=True,
        metavar="KEY=VALUE",
        help="An option of the pipeline: direct_num_workers=4 starts four processes on this "
        "machine, runner=DataflowRunner runs on Google Cloud. May be repeated.",
    ),
)


def score(request: Request) -> None:
    """Runs the pipeline and prints a summary. Exit code 2 if pairs could not be scored.

    Raises:
        InputError: `--pairs` or `--out` is missing, an option is given that pipelines do not
            support, or the pipeline cannot be run.
    """
    table, out = _checked(request)
    refuse_flags("not with --runner beam")
    protocol = request.rules()
    with interruptible(out):
        _run(request, table, out, protocol)


def _checked(request: Request) -> tuple[str, str]:
    """Checks the options, and returns the table and the output folder."""
    if request.runner is None:
        raise InputError("--beam-option needs --runner beam; give both")
    if request.table is None:
        raise InputError("--runner beam scores the pairs of a table; give --pairs FILE.csv")
    if request.out is None:
        raise InputError("--runner beam writes a folder of Parquet files; give --out DIR")
    if request.form not in (None, "parquet"):
        raise InputError(f"--format {request.form}: --runner beam writes Parquet; leave it out")
    if request.limits:
        raise InputError("--fail-below: not with --runner beam; check the scores in its output")
    if request.maps is not None:
        raise InputError("--maps: not with --runner beam; draw maps of a smaller table without it")
    absent = {
        "--every": request.every > 1,
        "--pool": request.pool,
        "--junit": request.junit,
        "--batch-size": request.batch_size,
        "--display": request.display,
        "--hdr": request.hdr,
        "--mask": request.mask,
        "--tiles": request.tiles,
        "--align": request.align != "none",
        "--overwrite": request.overwrite,
        "--escape-formulas": request.escape_formulas,
    }
    for name, value in absent.items():
        if value:
            raise InputError(f"{name}: not with --runner beam; leave one of them out")
    return request.table, request.out


def _run(request: Request, table: str, out: str, protocol: Protocol) -> None:
    logging.disable(logging.WARNING)  # Beam warns about optional packages
    try:
        from gsn_jax.serving.beam import runners, scoring
        from gsn_jax.serving.beam.worker import Settings
    except ImportError as error:
        raise InputError(
            f"--runner beam needs Apache Beam ({error}); run: pip install 'gsn_jax[beam]'"
        ) from None
    finally:
        logging.disable(logging.NOTSET)
    from gsn_jax.scoring.by_name import named

    settings = Settings(
        tuple(named(*request.names, checkpoint=request.checkpoint)),
        request.checkpoint,
        alpha=request.alpha,
        max_pixels=request.max_pixels,
        resize=request.resize,
        luma=protocol.luma,
        crop_border=protocol.crop_border,
    )
    flags = runners.parse_options(request.beam_options)
    summary = scoring.score_table(table, out, settings, flags, _say)
    for line in summary.errors:
        _say(line)
    if summary.bad > len(summary.errors):
        _say(f"... and {summary.bad - len(summary.errors)} more")
    click.echo(
        f"{counted(summary.rows, 'pair')}: {summary.rows - summary.bad} scored, {summary.bad} "
        f"failed; {counted(len(summary.files), 'Parquet file')} in {out}"
    )
    if summary.bad:
        sys.exit(2)


def _say(text: str) -> None:
    click.echo(f"gsn: {text}", err=True)
