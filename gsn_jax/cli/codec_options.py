"""The options of `gsn rd` and `gsn encode` that choose codecs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from gsn_jax.cli.shared_options import together
from gsn_jax.errors import InputError

if TYPE_CHECKING:
    from gsn_jax.rate_distortion.codecs import Codec

_MOST = 1001  # qualities in a range; admits 0:100:0.1

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
        help="Use a program as a codec under a name, as in 'slow=cjxl -e 9 -q {q} {in} {out}'. It "
        "reads the PNG file {in} and writes {out}, a path without suffix; {q} is the quality. May "
        "be repeated.",
    ),
    click.option(
        "--decoder",
        "decoders",
        multiple=True,
        metavar="NAME=COMMAND",
        help="Program that decodes the files of the --encoder NAME to PNG, as in "
        "'slow=djxl {in} {out}'. JPEG, WebP, AVIF, JPEG 2000, JPEG XL and PNG files need none. May "
        "be repeated.",
    ),
)


def chosen(names: str | None, encoders: Sequence[str], decoders: Sequence[str]) -> list[Codec]:
    """The codecs that the options name.

    Raises:
        InputError: no codec is named; or see `gsn_jax.rate_distortion.codecs.choose`.
    """
    from gsn_jax.rate_distortion.codecs import choose
    from gsn_jax.scoring.by_name import split_names

    found = choose(split_names(names or ""), encoders, decoders)
    if not found:
        raise InputError("name a codec, as in --codec avif or --encoder 'NAME=PROGRAM ...'")
    return found


def qualities(texts: Sequence[str], codecs: Sequence[Codec]) -> dict[Codec, list[float]]:
    """The qualities to encode at, by codec.

    Args:
        texts: `[CODEC=]FIRST:LAST:STEP` or `[CODEC=]Q,Q,...`. One without CODEC is for all codecs
            that have none of their own.
        codecs: the codecs.

    Raises:
        InputError: a text is wrong, or a codec has no qualities or two texts.
    """
    names = [codec.name for codec in codecs]
    found: dict[str, list[float]] = {}
    for text in texts:
        name, _, values = text.rpartition("=")
        if name and name not in names:
            raise InputError(f"--quality {text}: no codec {name!r}; codecs: {', '.join(names)}")
        if name in found:
            raise InputError(
                f"--quality {text}: already given for {name or 'all codecs'}; list all qualities "
                "in one --quality, as in 20,40,60"
            )
        found[name] = _values(text, values)
    if missing := [name for name in names if name not in found and "" not in found]:
        example = f"--quality {missing[0]}=20,40,60"
        raise InputError(f"--quality: none for {missing[0]}; add it, as in {example}")
    return {codec: found.get(codec.name, found.get("", [])) for codec in codecs}


def _values(text: str, values: str) -> list[float]:
    wrong = InputError(
        f"--quality {text}: give FIRST:LAST:STEP, from low to high, as in 20:95:15, or Q,Q,..."
    )
    separator = ":" if ":" in values else ","
    try:
        numbers = [float(value) for value in values.split(separator)]
    except ValueError:
        raise wrong from None
    if not all(map(math.isfinite, numbers)) or (separator == ":" and len(numbers) != 3):
        raise wrong
    if separator == ",":
        return sorted(set(numbers))
    first, last, step = numbers
    if step <= 0 or last < first:
        raise wrong
    if (last - first) / step >= _MOST:
        raise InputError(
            f"--quality {text}: more than {_MOST:,} qualities; give a larger STEP, as in 20:95:15"
        )
    count = int((last - first) / step + 1e-9) + 1
    return [round(first + step * k, 9) for k in range(count)]
