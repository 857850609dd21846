"""`gsn synthesize`: make a data set of distorted photographs with quality labels."""

from __future__ import annotations

from pathlib import Path

import click

from gsn_jax.cli.counting import counting
from gsn_jax.errors import InputError


@click.command()
@click.argument("photos", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Output folder.")
@click.option(
    "--types",
    help="Comma-separated distortions (see --list), groups (noise, blur, ...), data sets (tid2013, "
    "kadid10k; like-tid2013, like-kadid10k for the types that --like supports), or all.  [default: "
    "all; with --like, the types that it supports]",
)
@click.option(
    "--except",
    "without",
    help="Distortions to leave out, named as in --types. The other images stay the same.",
)
@click.option(
    "--levels",
    default="1,2,3,4,5",
    show_default=True,
    help="Comma-separated distortion levels from 1 to 5.",
)
@click.option(
    "--seed", default=0, show_default=True, type=click.IntRange(min=0), help="Random seed."
)
@click.option(
    "--size",
    default=512,
    show_default=True,
    type=click.IntRange(min=0),
    help="Crop photographs around their centre to at most this height and width; 0 does not crop.",
)
@click.option(
    "--label",
    default=None,
    help="Quality label in [0, 1], higher is better: 'ensemble' (several metrics, fitted to "
    "TID2013's opinion scores), 'level' (TID2013's mean opinion score for the type and level), or "
    "the name of a metric or model with range [0, 1], whose scores become the labels.  "
    "[default: ensemble]",
)
@click.option(
    "--like",
    type=click.Choice(["tid2013", "kadid10k"]),
    help="Match the distortion strengths of this data set, and label images with its mean opinion "
    "score for the type and level, on TID2013's scale and without TID2013's reserved scenes. "
    "Replaces --label and --consensus.",
)
@click.option(
    "--consensus",
    default=0.0,
    show_default=True,
    type=click.FloatRange(0, 1),
    help="Weight, in each label, of the mean label over all photographs with its type and level.",
)
@click.option(
    "--types-per-photo",
    type=click.IntRange(min=1),
    help="Draw this number of types at random for each photograph.  [default: all]",
)
@click.option(
    "--identical", is_flag=True, help="Also pair each photograph with itself, with label 1."
)
@click.option(
    "--format",
    "image_format",
    type=click.Choice(["png", "webp"]),
    default="png",
    show_default=True,
    help="Image format. Both are lossless; WebP is smaller and slower to write.",
)
@click.option(
    "--workers", type=click.IntRange(min=1), help="Number of processes.  [default: number of cores]"
)
@click.option(
    "--list",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=lambda ctx, option, wanted: _list(ctx) if wanted else None,
    help="List the distortions and exit.",
)
def command(
    photos: Path,
    out: Path,
    types: str | None,
    without: str | None,
    levels: str,
    seed: int,
    size: int,
    label: str | None,
    like: str | None,
    consensus: float,
    types_per_photo: int | None,
    identical: bool,
    image_format: str,
    workers: int | None,
) -> None:
    """Make a data set of distorted versions of the photographs in the folder PHOTOS.

    Writes the folders reference and distorted, and pairs.csv with the columns reference, distorted,
    score, type, level and group (the photograph). To train on it, prepare it as the data set
    iqa_table with gsn datasets. If the command is interrupted, run it again to continue.
    """
    from data_pipelines import synthesis_labels
    from data_pipelines.synthesize import Settings, synthesize
    from gsn_jax.scoring.by_name import resolve

    if like and (label or consensus):
        raise InputError("--like brings its own labels; leave out --label and --consensus")
    default = f"like-{like}" if like else "all"
    settings = Settings(
        types=_distortions("--types", default if types is None else types),
        without=() if without is None else _distortions("--except", without),
        levels=_levels(levels),
        seed=seed,
        size=size or None,
        label=label or synthesis_labels.DEFAULT,
        like=like or "",
        consensus=consensus,
        types_per_photo=types_per_photo,
        identical=identical,
        suffix=f".{image_format}",
    )
    with counting("photographs", rate="photographs") as show:
        table = synthesize(photos, out, settings, show, workers=workers, find=resolve)
    click.echo(str(table))


def _list(ctx: click.Context) -> None:
    from data_pipelines import distortions

    for name in distortions.names():
        entry = distortions.get(name)
        click.echo(f"{name:30} {entry.group:13} {entry.description}")
    ctx.exit()


def _distortions(option: str, text: str) -> tuple[str, ...]:
    from data_pipelines import distortions
    from data_pipelines.synthesize import LIKE

    words = [word.strip() for word in text.split(",") if word.strip()]
    if not words:
        raise InputError(f"{option}: name at least one distortion")
    chosen: dict[str, None] = {}
    for word in words:
        data_set = word.removeprefix("like-")
        alike = data_set != word and data_set in LIKE
        known = LIKE[data_set].NAMES if alike else distortions.select([word])
        chosen.update(dict.fromkeys(known))
    return tuple(chosen)


def _levels(text: str) -> tuple[int, ...]:
    try:
        levels = sorted({int(word) for word in text.split(",")})
    except ValueError:
        levels = []
    if not levels or not set(levels) <= {1, 2, 3, 4, 5}:
        raise InputError(f"--levels {text!r}: give whole numbers from 1 to 5, as in 1,3,5")
    return tuple(levels)
