"""`gsn rd`: rate-distortion curves and Bjøntegaard deltas of codecs."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gsn_jax.cli import codec_options, protocol_options, shared_options
from gsn_jax.cli.counting import counting
from gsn_jax.cli.interruption import interruptible
from gsn_jax.errors import InputError, counted

if TYPE_CHECKING:
    from gsn_jax.metric import Metric
    from gsn_jax.rate_distortion.codecs import Codec
    from gsn_jax.rate_distortion.comparison import Comparison
    from gsn_jax.rate_distortion.encodings import Encoding, Study
    from gsn_jax.rate_distortion.opinions import Verdict

_QUALITIES = "20:95:15"
_TABLES = (
    "rd.md",
    "rd.tex",
    "points.csv",
    "curves.csv",
    "bd.csv",
    "bd_images.csv",
    "times.csv",
)


@click.command()
@click.argument("photos", nargs=-1, metavar="[PHOTOS]...")
@codec_options.options
@click.option(
    "--quality",
    "qualities",
    multiple=True,
    metavar="[CODEC=]FIRST:LAST:STEP",
    help="Qualities to encode at: from FIRST to LAST in steps of STEP, or a comma-separated list. "
    "CODEC= sets them for one codec only. May be repeated, once per codec.  "
    f"[default: {_QUALITIES}]",
)
@click.option(
    "--pairs",
    "table",
    metavar="FILE.csv",
    help="Compare encoded files in a CSV table with the columns reference, distorted, codec and "
    "setting. A column bytes overrides the size of the distorted file.",
)
@shared_options.metrics(
    "gsn,ssimulacra2,psnr", "Metrics to compare by; see gsn score --list-metrics."
)
@shared_options.checkpoint
@protocol_options.protocol
@click.option("--anchor", metavar="CODEC", help="Codec to compare with.  [default: the first]")
@click.option(
    "--at",
    "levels",
    multiple=True,
    metavar="METRIC=X",
    help="Also compare file sizes at this score. May be repeated, once per metric.  [default: the "
    "middle of the range that all codecs reach]",
)
@click.option(
    "--opinions",
    "judged",
    metavar="FILE.csv",
    help="Table of opinion scores, with the columns setting (SETTING or CODEC-SETTING) and elo, "
    "mos or score. Also shows the BD-rates by these scores.",
)
@click.option(
    "--resamples",
    type=click.IntRange(min=0),
    default=2000,
    show_default=True,
    help="Number of bootstrap samples for the 95% intervals; 0 omits the intervals.",
)
@click.option(
    "--out",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for encoded files, scores and tables (CSV, Markdown, LaTeX). If the run is "
    "interrupted, the same command continues it.",
)
@shared_options.report
@click.option(
    "--overwrite",
    is_flag=True,
    help="Replace files in --out and a page in --report that this command did not write.",
)
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    help="Number of encoding processes.  [default: number of cores]",
)
def command(
    photos: tuple[str, ...],
    names_of_codecs: str | None,
    encoders: tuple[str, ...],
    decoders: tuple[str, ...],
    qualities: tuple[str, ...],
    table: str | None,
    names: tuple[str, ...],
    checkpoint: str | None,
    protocol: str | None,
    luma: Any,
    crop_border: int | None,
    display: str | None,
    anchor: str | None,
    levels: tuple[str, ...],
    judged: str | None,
    resamples: int,
    out: Path | None,
    report: Path | None,
    overwrite: bool,
    workers: int | None,
) -> None:
    """Compare codecs: file size against quality, with BD-rates and their confidence intervals.

    Encodes PHOTOS (files or folders), or takes encoded files from a table.

    \b
    gsn rd photos --codec jpeg,webp,avif --quality 20:95:15 --out comparison
    gsn rd --pairs encoded.csv --anchor jpeg --out comparison

    BD-rate is the mean difference in bytes at equal score, BD-score the mean difference in score
    at equal bytes. Both are computed for each photograph, on the range that both codecs cover, and
    averaged.

    Exit codes: 0 success, 2 wrong usage or a file could not be scored.
    """
    if bool(photos) == (table is not None):
        raise InputError("give either PHOTOS or --pairs FILE.csv; see --help")
    if photos and out is None:
        raise InputError("give --out DIR, the folder for the encoded files")
    if table is not None and (names_of_codecs or encoders or decoders or qualities):
        raise InputError(
            "--codec, --encoder, --decoder and --quality are for PHOTOS; leave them out with "
            "--pairs, whose table names the codecs and settings"
        )
    at = _levels(levels)
    rules = protocol_options.chosen_protocol(protocol, luma, crop_border, display)
    from gsn_jax.rate_distortion import deltas, encodings, opinions
    from gsn_jax.scoring import by_name

    deltas.check_installed()
    if report is not None:
        shared_options.check_report(report, "rd", overwrite=overwrite)
    people = None if judged is None else opinions.read_opinions(judged)
    chosen = codec_options.chosen(names_of_codecs, encoders, decoders) if photos else []
    steps = codec_options.qualities(qualities or (_QUALITIES,), chosen) if photos else {}
    named = by_name.named(*names, checkpoint=checkpoint)
    metrics = protocol_options.under(rules, by_name.resolve_all(named, checkpoint))
    from gsn_jax.rate_distortion import encoding, scoring
    from gsn_jax.rate_distortion.comparison import check_names, compare
    from gsn_jax.scoring.outputs import alone

    items = [] if table is None else encodings.read_table(table)
    codecs = [codec.name for codec in chosen] + [item.codec for item in items]
    check_names(anchor, list(dict.fromkeys(codecs)), at, [metric.name for metric in metrics])

    with contextlib.ExitStack() as stack:
        stack.enter_context(interruptible(out))
        if out is not None:
            scoring.check_folder(out, _TABLES, overwrite=overwrite)
            if photos:
                encoding.check_folder(out, overwrite=overwrite)
            stack.enter_context(alone(out, scoring.LOCK, remove=True))
        if out is not None and photos:
            items = _encoded(photos, steps, out, workers)
        study = _scored(items, metrics, out)
        failed = [error for error in study.errors if error]
        if len(failed) == len(items):
            raise InputError(f"no file could be scored; the first: {failed[0]}")
        comparison = compare(study, anchor, levels=at, resamples=resamples)
        verdict = (
            None
            if people is None
            else opinions.judge(study, people, comparison.anchor, resamples=resamples)
        )
        _tables(comparison, verdict, out)
        if report is not None:
            from gsn_jax.rate_distortion import page

            written = page.write_page(comparison, report, {m.name: m for m in metrics}, verdict)
            click.echo(f"report: {written}", err=True)
    if failed:
        files = counted(len(failed), "file")
        click.echo(f"gsn: {files} could not be scored; the first: {failed[0]}", err=True)
        sys.exit(2)


def _encoded(
    photos: Sequence[str], steps: Mapping[Codec, Sequence[float]], out: Path, workers: int | None
) -> list[Encoding]:
    from gsn_jax.rate_distortion.encoding import encode_all
    from gsn_jax.rate_distortion.photos import find_photos

    found = find_photos(photos, out)
    with counting("encoding", transient=True, rate="files") as show:
        return encode_all(found, steps, out, workers=workers, progress=show)


def _levels(texts: Sequence[str]) -> dict[str, float]:
    levels = {}
    for text in texts:
        name, _, value = text.partition("=")
        refusal = f"--at {text}: give a metric and a score, as in gsn=0.9"
        levels[name.strip()] = shared_options.number(value, refusal, finite=True)
    return levels


def _scored(items: Sequence[Encoding], metrics: Sequence[Metric], out: Path | None) -> Study:
    from gsn_jax.rate_distortion import scoring

    with counting("scoring", total=len(items), transient=True, rate="pairs") as show:
        return scoring.score(items, metrics, out, progress=show)


def _tables(comparison: Comparison, verdict: Verdict | None, out: Path | None) -> None:
    """Prints the tables and, given a folder, writes them there."""
    from gsn_jax.benchmark.text_tables import to_latex, to_markdown
    from gsn_jax.cli.judging import show
    from gsn_jax.rate_distortion import csv_tables, text

    tables = text.tables(comparison)
    if verdict is not None:
        tables.append(text.opinion_table(verdict))
    for table in tables:
        show(table)
    if comparison.times:
        show(text.time_table(comparison))
    if out is None:
        return
    from gsn_jax.scoring.outputs import naming
    from gsn_jax.storage import write_text

    texts = (
        "\n".join(map(to_markdown, tables)),
        "\n".join(map(to_latex, tables)),
        csv_tables.points(comparison.study, out),
        csv_tables.curves(comparison),
        csv_tables.deltas(comparison),
        csv_tables.image_deltas(comparison),
        csv_tables.times(comparison) if comparison.times else None,
    )
    with naming(out):
        for name, text_of_file in zip(_TABLES, texts, strict=True):
            if text_of_file is not None:
                write_text(out / name, text_of_file)
    click.echo(f"tables: {out}/{', '.join(_TABLES[:5])}, ...", err=True)
