"""`gsn synthesize`: photographs become a data set of distorted images with quality labels."""

from __future__ import annotations

from pathlib import Path

import click

from gsn_jax.cli.counting import counting_bar
from gsn_jax.errors import InputError


@click.command()
@click.argument("photos", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder to write.")
@click.option(
    "--types",
    help="Distortions, comma-separated: names, groups (noise, blur, ...), tid2013, kadid10k, all, "
    "and like-tid2013, those that --like tid2013 knows.  [default: all; with --like these]",
)
@click.option(
    "--except",
    "without",
    help="Distortions to leave out, named as in --types. The others stay as they would be.",
)
@click.option("--levels", default="1,2,3,4,5", show_default=True, help="Levels from 1 to 5.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0))
@click.option(
    "--size",
    default=512,
    show_default=True,
    type=click.IntRange(min=0),
    help="Crop photographs around their centre to at most this size; 0 keeps them whole.",
)
@click.option(
    "--label",
    default=None,
    help="Score, in [0, 1], up = better: 'ensemble' (metrics fitted to TID2013's opinion scores), "
    "'level' (TID2013's mean opinion of the type and level), or the name of a metric in [0, 1].  "
    "[default: ensemble]",
)
@click.option(
    "--like",
    type=click.Choice(["tid2013"]),
    help="Levels as strong as in that data set, labelled with its mean opinion of the type and "
    "level, over scenes that are not reserved; in place of --label and --consensus.",
)
@click.option(
    "--consensus",
    default=0.0,
    show_default=True,
    type=click.FloatRange(0, 1),
    help="Share of the mean over photographs (of the same type and level) in each score.",
)
@click.option(
    "--types-per-photo",
    type=click.IntRange(min=1),
    help="Draw that many of the types for each photograph.  [default: all]",
)
@click.option("--identical", is_flag=True, help="Pair each photograph also with itself, score 1.")
@click.option(
    "--format",
    "image_format",
    type=click.Choice(["png", "webp"]),
    default="png",
    show_default=True,
    help="Both are lossless; WebP is smaller and slower to write.",
)
@click.option("--workers", type=click.IntRange(min=1), help="Processes.  [default: all cores]")
@click.option(
    "--list",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=lambda ctx, option, wanted: _list(ctx) if wanted else None,
    help="List the distortions and stop.",
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
    """Make a data set of distorted PHOTOS (a folder): pairs.csv, reference/ and distorted/.

    An interrupted run continues when it is repeated. The table has the columns reference,
    distorted, score, type, level and group (the photograph); train on it with the data set
    iqa_table.
    """
    from data_pipelines import synthesis_labels
    from data_pipelines.synthesize import Settings, synthesize

    if like and (label or consensus):
        raise InputError("--like brings its own labels; leave out --label and --consensus")
    default = "like-tid2013" if like else "all"
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
    with counting_bar() as bar:
        task = bar.add_task("photographs", total=None)

        def show(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        table = synthesize(photos, out, settings, show, workers=workers)
    click.echo(str(table))


def _list(ctx: click.Context) -> None:
    from data_pipelines import distortions

    for name in distortions.names():
        entry = distortions.get(name)
        click.echo(f"{name:30} {entry.group:13} {entry.description}")
    ctx.exit()


def _distortions(option: str, text: str) -> tuple[str, ...]:
    from data_pipelines import distortions
    from data_pipelines.tid2013 import typical

    words = [word.strip() for word in text.split(",") if word.strip()]
    if not words:
        raise InputError(f"{option}: name at least one distortion")
    chosen: dict[str, None] = {}
    for word in words:
        known = typical.NUMBERS if word == "like-tid2013" else distortions.select([word])
        chosen.update(dict.fromkeys(known))
    return tuple(chosen)


def _levels(text: str) -> tuple[int, ...]:
    try:
        levels = sorted({int(word) for word in text.split(",")})
    except ValueError:
        levels = []
    if not levels or not set(levels) <= {1, 2, 3, 4, 5}:
        raise InputError(f"--levels: whole numbers from 1 to 5, comma-separated, got {text!r}")
    return tuple(levels)
