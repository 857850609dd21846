"""Options shared by several commands: metrics, image reading, batches, reports, processes."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import click
from click.core import ParameterSource

from gsn_jax.errors import InputError


def together(*options: Callable) -> Callable:
    """A decorator that adds these options to a command, in this order."""

    def decorate(command: Callable) -> Callable:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


checkpoint = click.option(
    "--checkpoint",
    metavar="DIR",
    help="Folder of a model, a training run or a checkpoint to use as the metric gsn.",
)

batch_size = click.option(
    "--batch-size",
    type=click.IntRange(min=1, max=4096),
    metavar="N",
    help="Score pairs in batches on all devices, N pairs per device.  [default: on GPUs and TPUs, "
    "as many as fit in a quarter of the memory, at most 64; on CPUs, one pair at a time]",
)

data_dir = click.option(
    "--data-dir",
    type=click.Path(file_okay=False),
    help="Folder or URL of prepared data sets.  [default: TFDS_DATA_DIR or ~/tensorflow_datasets]",
)

report = click.option(
    "--report",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write an HTML report with plots, tables and images to this folder.",
)

alpha = click.option(
    "--alpha",
    type=click.Choice(["refuse", "black", "white"]),
    default="refuse",
    show_default=True,
    help="What to do with transparent images: refuse them, or composite them on black or white.",
)


def max_pixels(default: int) -> Callable:
    """The option `--max-pixels`."""
    return click.option(
        "--max-pixels",
        type=click.IntRange(min=1),
        default=default,
        show_default=True,
        metavar="N",
        help="Refuse images with more than N pixels.",
    )


def metrics(default: str, purpose: str) -> Callable:
    """The repeatable option `--metric`, passed on as `names`; `purpose` is its help."""
    return click.option(
        "--metric",
        "names",
        default=(default,),
        multiple=True,
        show_default=True,
        metavar="NAME[,NAME...]",
        help=purpose,
    )


def number(text: str, refusal: str, *, finite: bool = False) -> float:
    """The number in an option's text.

    Raises:
        InputError: the text is not a number, is NaN, or with `finite` is infinite; the message is
            `refusal`.
    """
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if math.isnan(value) or (finite and math.isinf(value)):
        raise InputError(refusal)
    return value


def check_report(folder: Path, extra: str, *, overwrite: bool) -> None:
    """Checks up front that `--report` can write its page.

    Args:
        folder: the folder of the page.
        extra: the extra of gsn_jax that installs what the page needs.
        overwrite: whether a file that gsn did not write may be replaced.

    Raises:
        InputError: packages are missing, or the page would replace a file that gsn did not write.
    """
    from gsn_jax.benchmark.report import pages
    from gsn_jax.scoring.outputs import is_report, refuse_foreign

    pages.check_installed(extra)
    refuse_foreign(folder / "index.html", is_report, overwrite=overwrite)


processes = together(
    click.option(
        "--coordinator",
        metavar="HOST:PORT",
        envvar="JAX_COORDINATOR_ADDRESS",
        help="Address of process 0, to which the others connect.",
    ),
    click.option("--processes", type=int, envvar="JAX_NUM_PROCESSES", help="Number of processes."),
    click.option(
        "--process-id", type=int, envvar="JAX_PROCESS_ID", help="Index of this process, from 0."
    ),
    click.option(
        "--start-timeout",
        type=click.IntRange(min=1),
        default=300,
        show_default=True,
        metavar="SECONDS",
        help="Time to wait for all processes to start.",
    ),
)


def given_processes() -> list[str]:
    """The options of `processes` given on the command line, not by environment variables."""
    context = click.get_current_context()
    names = {"coordinator": "--coordinator", "process_id": "--process-id"}
    names["processes"] = "--processes"
    return [
        flag
        for name, flag in names.items()
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE
    ]
