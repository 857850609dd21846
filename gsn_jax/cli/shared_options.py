"""Options that several commands have: the model in place of gsn, and how images are read."""

from __future__ import annotations

from collections.abc import Callable

import click

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
