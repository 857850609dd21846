"""`gsn datasets`: list the data sets, and prepare one."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from gsn_jax import storage
from gsn_jax.cli import shared_options
from gsn_jax.cli.counting import counting_bar
from gsn_jax.errors import InputError, counted


@click.group(invoke_without_command=True)
@shared_options.data_dir
@click.pass_context
def command(ctx: click.Context, data_dir: str | None) -> None:
    """List the data sets and which of them are prepared."""
    ctx.obj = data_dir
    if ctx.invoked_subcommand is None:
        _list(data_dir)


@command.command(short_help="Check a downloaded data set and store it.")
@click.argument("name")
@click.option(
    "--manual-dir",
    type=click.Path(path_type=Path),
    required=True,
    help="Folder with the downloaded files, as archives or unpacked.",
)
@shared_options.data_dir
@click.option(
    "--score-range",
    nargs=2,
    type=float,
    metavar="LOW HIGH",
    help="Lowest and highest possible opinion score (iqa_table only).",
)
@click.option(
    "--lower-is-better",
    is_flag=True,
    help="Lower opinion scores mean better quality (iqa_table only).",
)
@click.pass_context
def prepare(
    ctx: click.Context,
    name: str,
    manual_dir: Path,
    data_dir: str | None,
    score_range: tuple[float, float] | None,
    lower_is_better: bool,
) -> None:
    """Check the files of the data set NAME and store it for training and evaluation."""
    from data_pipelines import catalogue

    catalogue.check_name(name)
    options: dict[str, Any] = {}
    if score_range or lower_is_better:
        if name != "iqa_table":
            raise InputError(
                f"--score-range and --lower-is-better do not apply to {name}; leave them out"
            )
        options = {"score_range": score_range or None, "higher_is_better": not lower_is_better}
    click.echo(f"preparing {name} from {manual_dir}; this takes seconds to minutes", err=True)
    with counting_bar(transient=True) as bar:
        builder = catalogue.prepare(
            name, manual_dir, data_dir or ctx.obj, progress=_follow(bar), **options
        )
    splits = builder.as_data_source()
    counts = ", ".join(f"{split} {counted(len(pairs), 'pair')}" for split, pairs in splits.items())
    click.echo(f"{name} is ready in {builder.data_dir}: {counts}")


def _follow(bar: Progress) -> Callable[[str, int, int], None]:
    """A progress function that shows each stage on its own line."""
    tasks: dict[str, Any] = {}

    def progress(stage: str, done: int, total: int) -> None:
        if stage not in tasks:
            tasks[stage] = bar.add_task(stage)
        bar.update(tasks[stage], completed=done, total=total)

    return progress


def _list(data_dir: str | None) -> None:
    from data_pipelines import catalogue

    folder = data_dir or os.environ.get("TFDS_DATA_DIR", "")
    if storage.is_url(folder):
        option = "--data-dir" if data_dir else "TFDS_DATA_DIR"
        raise InputError(
            f"{option} {folder}: data sets are listed in a folder only; give one with --data-dir"
        )
    table = Table("name", "state", "pairs", "description")
    for name in catalogue.names():
        builder = catalogue.builder(name, data_dir)
        ready = builder.is_prepared()
        count = len(builder.as_data_source("all")) if ready else builder.NUM_PAIRS
        state = "ready" if ready else "not prepared"
        table.add_row(name, state, str(count or ""), builder.TITLE)
    console = Console()
    console.print(table)
    console.print(
        "Prepare one with: gsn datasets prepare NAME --manual-dir DIR. The page "
        '"Data sets" of the documentation says where to get the files.',
        soft_wrap=True,
    )
