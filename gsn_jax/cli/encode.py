"""`gsn encode`: encode photographs at the lowest quality that reaches a score."""

from __future__ import annotations

import sys
import unicodedata
from pathlib import Path
from typing import Any

import click

from gsn_jax.cli import codec_options, protocol_options, shared_options
from gsn_jax.cli.counting import counting
from gsn_jax.cli.interruption import interruptible
from gsn_jax.errors import InputError


@click.command()
@click.argument("photos", nargs=-1, required=True, metavar="PHOTOS...")
@codec_options.options
@click.option(
    "--target",
    "text",
    required=True,
    metavar="METRIC=X",
    help="Worst acceptable score, as in gsn=0.9 or lpips_alex=0.05.",
)
@shared_options.checkpoint
@protocol_options.protocol
@click.option(
    "--out",
    required=True,
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the encoded files and encode.csv. If the run is interrupted, the same command "
    "continues it.",
)
@click.option(
    "--overwrite", is_flag=True, help="Replace files in --out that this command did not write."
)
def command(
    photos: tuple[str, ...],
    names_of_codecs: str | None,
    encoders: tuple[str, ...],
    decoders: tuple[str, ...],
    text: str,
    checkpoint: str | None,
    protocol: str | None,
    luma: Any,
    crop_border: int | None,
    display: str | None,
    out: Path,
    overwrite: bool,
) -> None:
    """Encode PHOTOS (files or folders) at the lowest quality that reaches a target score.

    \b
    gsn encode photo.png --codec avif --target gsn=0.9 --out encoded

    Prints the quality, the size in bytes and the score of every file. The exit code is 2 if a
    photograph cannot be encoded, or misses the target even at the codec's highest quality.
    """
    chosen = codec_options.chosen(names_of_codecs, encoders, decoders)
    if len(chosen) > 1:
        raise InputError("give one codec; to compare codecs use gsn rd")
    name, _, value = text.partition("=")
    refusal = f"--target {text}: give a metric and a score, as in gsn=0.9"
    score = shared_options.number(value, refusal, finite=True)
    rules = protocol_options.chosen_protocol(protocol, luma, crop_border, display)
    from gsn_jax.rate_distortion import scoring
    from gsn_jax.rate_distortion.photos import find_photos
    from gsn_jax.rate_distortion.target import Target, encode_to
    from gsn_jax.scoring import by_name
    from gsn_jax.scoring.outputs import alone

    wanted = by_name.named(name, checkpoint=checkpoint, option="--target")
    (metric,) = protocol_options.under(rules, by_name.resolve_all(wanted, checkpoint))
    target = Target(metric, score)
    best = metric.value_range[metric.higher_is_better]
    if not target.is_reached(best):
        raise InputError(f"--target {text}: no file can be better than {metric.name}={best:g}")
    found = find_photos(photos, out)
    with (
        interruptible(out),
        alone(out, scoring.LOCK, remove=True),
        counting("encoding", total=len(found), transient=True, rate="photographs") as show,
    ):
        results = encode_to(found, chosen[0], target, out, show, overwrite=overwrite)
    for item in results:
        if item.file is not None:
            click.echo(
                f"{_on_one_line(item.file)}: quality {item.quality}, {item.size:,} bytes, "
                f"{metric.name} {item.score:.4f}"
            )
    good = [item for item in results if item.file is not None]
    if len(good) > 1:
        click.echo(f"{len(good)} files: {sum(item.size for item in good):,} bytes")
    for item in results:
        if item.error:
            click.echo(f"gsn: {item.error}", err=True)
    if len(good) < len(results):
        sys.exit(2)


def _on_one_line(file: Path) -> str:
    """A file name with control characters, such as line breaks, as escapes."""
    from gsn_jax.scoring.pairs import shown

    return "".join(ascii(c)[1:-1] if unicodedata.category(c) == "Cc" else c for c in shown(file))
