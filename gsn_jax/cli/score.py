"""`gsn score`: score distorted images against their reference, a table of pairs, or two folders."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gsn_jax.cli import score_beam
from gsn_jax.cli.counting import counting_bar
from gsn_jax.errors import InputError

if TYPE_CHECKING:
    from gsn_jax.metric import Metric
    from gsn_jax.scoring.many_pairs import Loading, Pair, ScoredPair


@click.command()
@click.argument("reference", required=False, metavar="REFERENCE")
@click.argument("distorted", nargs=-1, metavar="DISTORTED...")
@click.option(
    "--pairs",
    "table",
    metavar="FILE.csv",
    help="Score the pairs of a table with the columns reference,distorted (and any others); "
    "paths are relative to the table.",
)
@click.option(
    "--reference-dir",
    metavar="DIR",
    help="Score the images of two folders, paired by file name: this one has the references.",
)
@click.option(
    "--distorted-dir", metavar="DIR", help="The other of the two folders: the distorted images."
)
@click.option(
    "--pairing",
    "rule",
    metavar="RULE",
    help="How file names pair: 'stem' (equal but for suffix and case), 'prefix' (photo.png with "
    "photo_q10.jpg), 'auto' (both), or a regular expression whose match must be equal.  "
    "[default: auto]",
)
@click.option(
    "--allow-unpaired",
    is_flag=True,
    help="Leave out images of the two folders that have no partner, instead of refusing.",
)
@click.option(
    "--out",
    metavar="FILE",
    help="Write the scores to a table: one row per pair, in order, with a column 'error'. An "
    "interrupted run continues when its command is repeated.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["csv", "jsonl", "parquet"]),
    help="Format of --out.  [default: by its suffix, .csv, .jsonl or .parquet]",
)
@click.option(
    "--metric",
    "names",
    default=("gsn",),
    multiple=True,
    show_default=True,
    metavar="NAME[,NAME...]",
    help="Metrics to compute: gsn, any name that 'gsn score --list-metrics' prints, or a model's "
    "folder.",
)
@click.option(
    "--checkpoint",
    metavar="DIR",
    help="Use this model for gsn: a model's folder, a training run's, or one checkpoint's.",
)
@click.option(
    "--fail-below",
    "limits",
    multiple=True,
    metavar="[NAME=]X",
    help="Exit with code 1 if a score is worse than X: lower, or higher for a distance. With "
    "several metrics say which, as in psnr=30.",
)
@click.option(
    "--resize",
    type=click.Choice(["to-reference", "to-distorted"]),
    help="Bring pairs of different sizes to one size; without it they are refused.",
)
@click.option(
    "--alpha",
    type=click.Choice(["refuse", "black", "white"]),
    default="refuse",
    show_default=True,
    help="What to do with transparent pixels: refuse the image, or composite it.",
)
@click.option(
    "--max-pixels",
    type=click.IntRange(min=1),
    default=80_000_000,
    show_default=True,
    metavar="N",
    help="Refuse images of more pixels.",
)
@click.option(
    "--maps",
    metavar="DIR",
    help="Draw the quality maps of each pair, beside the distorted image, into this folder.",
)
@score_beam.options
@click.option(
    "--list-metrics", is_flag=True, help="Print the metrics with range and direction, and exit."
)
def command(
    reference: str | None,
    distorted: tuple[str, ...],
    table: str | None,
    reference_dir: str | None,
    distorted_dir: str | None,
    rule: str | None,
    allow_unpaired: bool,
    out: str | None,
    form: str | None,
    names: tuple[str, ...],
    checkpoint: str | None,
    limits: tuple[str, ...],
    resize: Any,
    alpha: Any,
    max_pixels: int,
    maps: str | None,
    runner: str | None,
    beam_options: tuple[str, ...],
    list_metrics: bool,
) -> None:
    """Score DISTORTED images against their REFERENCE, a table of pairs, or two folders.

    \b
    gsn score original.png compressed.jpg restored.png
    gsn score --pairs pairs.csv --out scores.csv
    gsn score --reference-dir originals --distorted-dir encoded --out scores.csv

    gsn gives quality in [0, 1], up = better; an identical image has 1. PNG, JPEG, WebP, TIFF and
    BMP are read, of any size. Exit code 1 says that a score is worse than --fail-below, 2 that at
    least one pair could not be scored or that the command is wrong, 130 that the run was
    interrupted.
    """
    from gsn_jax.cli import score_views

    if list_metrics:
        score_views.print_metrics()
        return
    # The arguments are checked before JAX is imported, which takes seconds.
    _check_sources(reference, distorted, table, (reference_dir, distorted_dir))
    if (rule is not None or allow_unpaired) and reference_dir is None:
        name = "--pairing" if rule is not None else "--allow-unpaired"
        raise InputError(f"{name} is for two folders, --reference-dir and --distorted-dir")
    if score_beam.wanted(runner, beam_options, table, out, form, limits, maps):
        reading = {"alpha": alpha, "max_pixels": max_pixels, "resize": resize}
        with _interruptible(out):
            metrics = _names(names, checkpoint)
            score_beam.score(table, out, metrics, checkpoint, reading, beam_options)
        return
    if form and out is None:
        raise InputError("--format is the format of --out, which is not given")
    from gsn_jax.scoring import by_name, tables
    from gsn_jax.scoring.many_pairs import Loading, score_pairs

    folders = (reference_dir, distorted_dir) if reference_dir else None
    pairs = _pairs(reference, distorted, table, folders, rule or "auto", allow_unpaired)
    if out is not None:
        tables.check_target(out, _inputs(pairs, table), folders or ())
        form = tables.format_of(out, form)
    metrics = by_name.resolve_all(_names(names, checkpoint), checkpoint)
    worst = score_views.parse_limits(limits, metrics)
    writer = None
    if maps is not None:
        from gsn_jax.cli import map_option

        writer = map_option.map_writer(maps, metrics, pairs)
    loading = Loading(alpha, max_pixels, resize)
    with _interruptible(out):
        if out is not None:
            scored = _to_table(out, form, pairs, metrics, loading)
            if sys.stderr.isatty():  # where the bar has just gone
                click.echo(f"gsn: the scores of {len(scored)} pairs are in {out}", err=True)
        else:
            options = {"alpha": alpha, "max_pixels": max_pixels, "resize": resize}
            scored = _to_screen(score_pairs(pairs, metrics, **options), pairs, metrics)
        if writer is not None:
            map_option.draw_maps(writer, [row.pair for row in scored if not row.error], loading)
    score_views.conclude(scored, worst)


def _check_sources(
    reference: str | None,
    distorted: Sequence[str],
    table: str | None,
    folders: tuple[str | None, str | None],
) -> None:
    if sum((reference is not None, table is not None, any(folders))) > 1:
        raise InputError("give either images, --pairs or two folders, not both")
    if any(folders) and not all(folders):
        raise InputError("--reference-dir and --distorted-dir belong together; give both")
    if table is None and not any(folders) and (reference is None or not distorted):
        raise InputError(
            "give REFERENCE and DISTORTED images, or --pairs FILE.csv, or --reference-dir and "
            "--distorted-dir; see --help"
        )
    # One folder among several images spoils nothing: it may be what a shell made of DIR/*.
    for name in (reference, *(distorted if len(distorted) == 1 else ())):
        if name is not None and os.path.isdir(name):
            raise InputError(
                f"{name}: is a folder, not an image; to score two folders give --reference-dir "
                "and --distorted-dir, to score a folder's images against one reference name them "
                "(ORIGINAL.png FOLDER/*)"
            )


def _pairs(
    reference: str | None,
    distorted: Sequence[str],
    table: str | None,
    folders: tuple[str, str] | None,
    rule: str,
    allow_unpaired: bool,
) -> list[Pair]:
    from gsn_jax.scoring.folders import pair_folders, shown, unpaired
    from gsn_jax.scoring.many_pairs import Pair, pairs_of_table

    if table is not None:
        return pairs_of_table(table)
    if folders is None:
        files = [(reference, name) for name in distorted]
        return [Pair(shown(r), shown(d), Path(r), Path(d)) for r, d in files]
    pairs, pairing = pair_folders(*folders, rule=rule, allow_unpaired=allow_unpaired)
    if left_out := unpaired(pairing):
        click.echo(f"gsn: left out: {left_out}", err=True)
    return pairs


def _inputs(pairs: Sequence[Pair], table: str | None) -> Iterator[Path | None]:
    if table is not None:
        yield Path(table)
    for pair in pairs:
        yield pair.reference_file
        yield pair.distorted_file


def _names(texts: Sequence[str], checkpoint: str | None) -> list[str]:
    """The metrics to compute."""
    wanted = list(dict.fromkeys(name.strip() for name in ",".join(texts).split(",")))
    wanted = [name for name in wanted if name]
    if not wanted:
        raise InputError("--metric names no metric")
    if checkpoint is not None and "gsn" not in wanted:
        raise InputError("--checkpoint is a model for gsn, which --metric does not name")
    return wanted


def _to_table(
    out: str, form: str, pairs: Sequence[Pair], metrics: Sequence[Metric], loading: Loading
) -> list[ScoredPair]:
    """Scores into a table, by way of a journal where the output is a file."""
    from gsn_jax.scoring import tables
    from gsn_jax.scoring.journal import describe_run, open_journal
    from gsn_jax.scoring.many_pairs import score_unordered

    everything = range(len(pairs))
    if not tables.is_regular(out):
        with _bar(len(pairs)) as advance:
            found = dict(advance(score_unordered(pairs, metrics, loading)))
        rows = [found[index] for index in everything]
        tables.write_scores(out, rows, metrics, form)
        return rows
    with open_journal(out, pairs, describe_run(metrics, loading)) as journal:
        if journal.scored:
            click.echo(f"gsn: {len(journal.scored)} pairs were scored before", err=True)
        wanted = [index for index in everything if index not in journal.scored]
        with _bar(len(pairs), done=len(journal.scored)) as advance:
            for item in advance(score_unordered(pairs, metrics, loading, wanted=wanted)):
                journal.add(*item)
        rows = [journal.scored[index] for index in everything]
        tables.write_scores(out, rows, metrics, form)
    return rows


def _to_screen(
    scored: Iterator[ScoredPair], pairs: Sequence[Pair], metrics: Sequence[Metric]
) -> list[ScoredPair]:
    """A table for people, or CSV for a pipe, row by row."""
    from gsn_jax.cli import score_views
    from gsn_jax.scoring.tables import write_rows

    rows: list[ScoredPair] = []
    with _bar(len(pairs)) as advance:
        if sys.stdout.isatty():
            rows.extend(advance(scored))
        else:
            kept = (rows.append(item) or item for item in advance(scored))
            write_rows(sys.stdout, kept, [metric.name for metric in metrics])
    if sys.stdout.isatty():
        score_views.print_scores(rows, metrics)
    return rows


@contextlib.contextmanager
def _bar(total: int, done: int = 0) -> Iterator[Any]:
    """A function that counts what passes through it."""
    with counting_bar(transient=True, rate="pairs", quiet=total < 2) as bar:
        task = bar.add_task("scoring", total=total, completed=done)

        def advance(items: Iterator[Any]) -> Iterator[Any]:
            for item in items:
                yield item
                bar.advance(task)

        yield advance


@contextlib.contextmanager
def _interruptible(out: str | None) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        what_next = f"; the same command continues {out}" if out else ""
        click.echo(f"gsn: interrupted{what_next}", err=True)
        sys.exit(130)
