"""What `gsn rd` and `gsn encode` share: the options that choose codecs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from gsn_jax.cli.shared_options import together
from gsn_jax.errors import InputError

if TYPE_CHECKING:
    from gsn_jax.rate_distortion.codecs import Codec

options = together(
    click.option(
        "--codec",
        "names_of_codecs",
        metavar="NAME[,NAME...]",
        help="Codecs of installed libraries: jpeg, webp, avif, jpeg2000, jxl, mozjpeg, jpegli.",
    ),
    click.option(
        "--encoder",
        "encoders",
        multiple=True,
        metavar="NAME=COMMAND",
        help="A program as a codec with a name for it, such as 'slow=cjxl -e 9 -q {q} {in} {out}'. "
        "It reads the PNG file {in} and writes {out}, a path without suffix; {q} is the quality. "
        "May be repeated.",
    ),
    click.option(
        "--decoder",
        "decoders",
        multiple=True,
        metavar="NAME=COMMAND",
        help="The program that decodes the files of the --encoder of that name to PNG, such as "
        "'slow=djxl {in} {out}'. JPEG, WebP, AVIF, JPEG 2000, JPEG XL and PNG need none.",
    ),
)


def chosen(names: str | None, encoders: Sequence[str], decoders: Sequence[str]) -> list[Codec]:
    """The codecs that the options name.

    Raises:
        InputError: there is none, or see `gsn_jax.rate_distortion.codecs.choose`.
    """
    from gsn_jax.rate_distortion.codecs import choose
    from gsn_jax.scoring.by_name import split_names

    found = choose(split_names(names or ""), encoders, decoders)
    if not found:
        raise InputError("name a codec, as in --codec avif or --encoder 'NAME=PROGRAM ...'")
    return found
