"""`gsn rd`: rate-distortion curves and Bjøntegaard deltas of codecs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gsn_jax.cli.counting import counting_bar
from gsn_jax.errors import InputError

if TYPE_CHECKING:
    from gsn_jax.metric import Metric
    from gsn_jax.rate_distortion.comparison import Comparison
    from gsn_jax.rate_distortion.encodings import Encoding, Study
    from gsn_jax.scoring.many_pairs import Loading


@click.command()
@click.option(
    "--pairs",
    "table",
    metavar="FILE.csv",
    help="Compare the files of a CSV table with the columns reference, distorted, codec and "
    "setting. A column bytes replaces the size of the distorted file.",
)
@click.option(
    "--metric",
    "names",
    default=("gsn,ssimulacra2,psnr",),
    multiple=True,
    show_default=True,
    metavar="NAME[,NAME...]",
    help="Metrics to compare by; see gsn score --list-metrics.",
)
@click.option(
    "--checkpoint",
    metavar="DIR",
    help="Use this model for gsn: the folder of a model, a training run or a checkpoint.",
)
@click.option("--anchor", metavar="CODEC", help="Compare with this codec.  [default: the first]")
@click.option(
    "--at",
    "levels",
    multiple=True,
    metavar="METRIC=X",
    help="Compare bytes at this score too. May be repeated, once per metric.  [default: the middle "
    "of the range that all codecs reach]",
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
    help="Keep scores and write tables (CSV, Markdown, LaTeX) in this folder. If the run is "
    "interrupted, the same command continues it.",
)
def command(
    table: str | None,
    names: tuple[str, ...],
    checkpoint: str | None,
    anchor: str | None,
    levels: tuple[str, ...],
    resamples: int,
    out: Path | None,
) -> None:
    """Compare codecs: bytes against quality, with BD-rates and their confidence intervals.

    \b
    gsn rd --pairs encoded.csv --anchor jpeg --out comparison

    BD-rate is the mean difference in bytes at equal score, BD-score the mean difference in score
    at equal bytes. Both are computed for each photograph, on the range that both codecs cover, and
    averaged.
    """
    if table is None:
        raise InputError("give --pairs FILE.csv; see --help")
    at = _levels(levels)
    from gsn_jax.rate_distortion import deltas, encodings
    from gsn_jax.scoring import by_name
    from gsn_jax.scoring.many_pairs import Loading

    deltas.check_installed()
    items = encodings.read_table(table)
    metrics = by_name.resolve_all(by_name.named(*names, checkpoint=checkpoint), checkpoint)
    study = _scored(items, metrics, Loading(), out)
    from gsn_jax.rate_distortion.comparison import compare

    comparison = compare(study, anchor, levels=at, resamples=resamples)
    _tables(comparison, out)


def _levels(texts: Sequence[str]) -> dict[str, float]:
    levels = {}
    for text in texts:
        name, _, value = text.partition("=")
        try:
            levels[name.strip()] = float(value)
        except ValueError:
            raise InputError(f"--at {text}: give a metric and a score, as in gsn=0.9") from None
    return levels


def _scored(
    items: Sequence[Encoding], metrics: Sequence[Metric], loading: Loading, out: Path | None
) -> Study:
    from gsn_jax.rate_distortion import scoring

    with counting_bar(transient=True, rate="pairs") as bar:
        task = bar.add_task("scoring", total=len(items))

        def show(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        if out is None:
            return scoring.score(items, metrics, loading, progress=show)
        with scoring.alone(out):
            return scoring.score(items, metrics, loading, out, progress=show)


def _tables(comparison: Comparison, out: Path | None) -> None:
    """Prints the tables, and writes them into the folder."""
    from gsn_jax.benchmark.text_tables import to_latex, to_markdown
    from gsn_jax.cli.judging import show
    from gsn_jax.rate_distortion import csv_tables, text

    tables = text.tables(comparison)
    for table in tables:
        show(table)
    if comparison.times:
        show(text.time_table(comparison))
    if out is None:
        return
    from data_pipelines.image_writing import write_text
    from gsn_jax.rate_distortion.scoring import writing

    with writing(out):
        write_text(out / "rd.md", "\n".join(map(to_markdown, tables)))
        write_text(out / "rd.tex", "\n".join(map(to_latex, tables)))
        write_text(out / "points.csv", csv_tables.points(comparison.study))
        write_text(out / "curves.csv", csv_tables.curves(comparison))
        write_text(out / "bd.csv", csv_tables.deltas(comparison))
        write_text(out / "bd_images.csv", csv_tables.image_deltas(comparison))
        if comparison.times:
            write_text(out / "times.csv", csv_tables.times(comparison))
    click.echo(f"tables: {out}/rd.md, rd.tex, points.csv, curves.csv, bd.csv, ...", err=True)
