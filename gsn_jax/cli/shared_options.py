"""Options that several commands have: metrics, reading of images, batches, reports, processes."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import click
from click.core import ParameterSource

from gsn_jax.errors import InputError


def together(*options: Callable) -> Callable:
    """A decorator that gives a command these options, in this order."""

    def decorate(command: Callable) -> Callable:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


checkpoint = click.option(
    "--checkpoint",
    metavar="DIR",
    help="Use this model for gsn: the folder of a model, a training run or a checkpoint.",
)

batch_size = click.option(
    "--batch-size",
    type=click.IntRange(min=1, max=4096),
    metavar="N",
    help="Score pairs in batches, on all devices, with N pairs per device.  [default: on GPUs and "
    "TPUs what their memory holds; on CPUs one pair after the other]",
)

report = click.option(
    "--report",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write an HTML page with plots, tables and images into this folder.",
)

alpha = click.option(
    "--alpha",
    type=click.Choice(["refuse", "black", "white"]),
    default="refuse",
    show_default=True,
    help="Images with transparent pixels: refuse them, or composite them on black or white.",
)


def max_pixels(default: int) -> Callable:
    """`--max-pixels`."""
    return click.option(
        "--max-pixels",
        type=click.IntRange(min=1),
        default=default,
        show_default=True,
        metavar="N",
        help="Refuse images with more than N pixels.",
    )


def metrics(default: str, purpose: str) -> Callable:
    """`--metric`, which may be repeated, as `names`; its help is `purpose`."""
    return click.option(
        "--metric",
        "names",
        default=(default,),
        multiple=True,
        show_default=True,
        metavar="NAME[,NAME...]",
        help=purpose,
    )


def number(text: str, refusal: str) -> float:
    """A number that an option gives.

    Raises:
        InputError: it is none, or NaN; the message is `refusal`.
    """
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if math.isnan(value):
        raise InputError(refusal)
    return value


def check_report(folder: Path, extra: str, *, overwrite: bool) -> None:
    """Checks, before the work, whether `--report` can write its page.

    Args:
        folder: the folder of the page.
        extra: the extra of the package that has what the page needs.
        overwrite: whether a page that gsn did not write may be replaced.

    Raises:
        InputError: packages are missing, or the page is something else.
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
    """Those of the options `processes` that stand on the command line, not in the environment."""
    context = click.get_current_context()
    names = {"coordinator": "--coordinator", "process_id": "--process-id"}
    names["processes"] = "--processes"
    return [
        flag
        for name, flag in names.items()
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE
    ]
