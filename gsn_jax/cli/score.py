"""`gsn score`: score distorted images against their references."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from gsn_jax.cli import (
    protocol_options,
    score_beam,
    score_processes,
    shared_options,
    supervision,
)
from gsn_jax.cli.interruption import interruptible
from gsn_jax.errors import InputError
from gsn_jax.images import formats


@click.command(
    epilog=f"Images may be {formats.describe()} files of any size, with --hdr also OpenEXR and "
    "Radiance HDR, and with the extra 'video' Y4M, MP4, MKV, WebM and other videos."
)
@click.argument("reference", required=False, metavar="[REFERENCE")
@click.argument("distorted", nargs=-1, metavar="DISTORTED...]")
@click.option(
    "--pairs",
    "table",
    metavar="FILE.csv",
    help="Score the pairs of a CSV table with the columns reference and distorted. Paths are "
    "relative to the table; other columns are ignored.",
)
@click.option(
    "--reference-dir",
    metavar="DIR",
    help="Folder of references. Give --distorted-dir too; files are paired by name.",
)
@click.option("--distorted-dir", metavar="DIR", help="Folder of distorted images.")
@click.option(
    "--pairing",
    "rule",
    metavar="RULE",
    help="How to pair the files of two folders. 'stem': same name except for suffix and case. "
    "'prefix': the distorted name begins with the reference's, as in photo.png and photo_q10.jpg. "
    "'auto': stem, then prefix. Or a regular expression whose match (or first group) must be equal "
    "in both names.  [default: auto]",
)
@click.option(
    "--allow-unpaired", is_flag=True, help="Skip files without a partner instead of stopping."
)
@click.option(
    "--every",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    metavar="N",
    help="Of videos and of two folders of frames, score every Nth frame, beginning with the first.",
)
@click.option(
    "--pool",
    is_flag=True,
    help="Print statistics of all scores of a folder (mean, harmonic mean, percentiles) in place "
    "of the scores, and apply --fail-below to them. Videos always are pooled.",
)
@click.option(
    "--out",
    metavar="FILE",
    help="Write a table with one row per pair. If the run is interrupted, the same command "
    "continues it.",
)
@click.option(
    "--overwrite",
    is_flag=True,
    help="Replace the files --out and --junit even if this command did not write them.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["csv", "jsonl", "parquet"]),
    help="Format of --out.  [default: by its suffix: .csv, .jsonl or .parquet]",
)
@click.option(
    "--escape-formulas",
    is_flag=True,
    help="In CSV output, put an apostrophe before file names that begin with = + - or @, which a "
    "spreadsheet would run as formulas.",
)
@shared_options.metrics(
    "gsn", "Metrics to compute, by name (see --list-metrics) or as the folder of a model."
)
@shared_options.checkpoint
@click.option(
    "--fail-below",
    "limits",
    multiple=True,
    metavar="[NAME=]X",
    help="Exit with code 1 if a score, at six decimals, is worse than X. For metrics where lower "
    "is better, worse means above X. With several metrics name one, as in psnr=30. Of pooled "
    "scores it is the mean, or another statistic, as in psnr:p5=30.",
)
@click.option(
    "--junit",
    metavar="FILE.xml",
    help="Write JUnit XML too: a test per pair, or per video or folder if pooled. It fails where a "
    "score is worse than --fail-below.",
)
@click.option(
    "--resize",
    type=click.Choice(["to-reference", "to-distorted"]),
    help="If the images of a pair differ in size, resize one to the size of the other. Otherwise "
    "such pairs are errors.",
)
@protocol_options.protocol
@protocol_options.hdr
@protocol_options.parts
@shared_options.alpha
@shared_options.max_pixels(80_000_000)
@shared_options.batch_size
@shared_options.processes
@click.option(
    "--maps",
    metavar="DIR",
    help="Draw each pair's quality maps, next to the distorted image, as PNG files in DIR.",
)
@score_beam.options
@click.option("--list-metrics", is_flag=True, help="List the metrics with their ranges and exit.")
def command(
    reference: str | None,
    distorted: tuple[str, ...],
    table: str | None,
    reference_dir: str | None,
    distorted_dir: str | None,
    rule: str | None,
    allow_unpaired: bool,
    every: int,
    pool: bool,
    out: str | None,
    overwrite: bool,
    form: str | None,
    escape_formulas: bool,
    names: tuple[str, ...],
    checkpoint: str | None,
    limits: tuple[str, ...],
    junit: str | None,
    resize: Any,
    protocol: str | None,
    luma: Any,
    crop_border: int | None,
    display: str | None,
    hdr: Any,
    peak_nits: float | None,
    mask: str | None,
    tiles: str | None,
    align: Any,
    alpha: Any,
    max_pixels: int,
    batch_size: int | None,
    coordinator: str | None,
    processes: int | None,
    process_id: int | None,
    start_timeout: int,
    maps: str | None,
    runner: str | None,
    beam_options: tuple[str, ...],
    list_metrics: bool,
) -> None:
    """Score DISTORTED images or videos against their REFERENCE.

    A table of pairs or two folders can be scored too.

    \b
    gsn score original.png compressed.jpg restored.png
    gsn score --pairs pairs.csv --out scores.csv
    gsn score --reference-dir originals --distorted-dir encoded --out scores.csv
    gsn score original.y4m encoded.mp4 --every 10 --out frames.csv

    The metric gsn gives a quality in [0, 1]; higher is better and identical images score 1.

    Several processes, on one or more machines, can make one table (--pairs or two folders, with
    --out on storage that all see). Slurm, Open MPI, Kubernetes and Cloud TPU are detected.
    Elsewhere, start the same command everywhere with --coordinator, --processes and --process-id.

    Exit codes: 0 success, 1 a score is worse than --fail-below, 2 wrong usage or a pair could not
    be scored, 75 another process was lost, 130 interrupted.
    """
    from gsn_jax.cli import score_views

    if list_metrics:
        score_views.print_metrics()
        return
    # Arguments are checked before JAX is imported, which takes seconds.
    _check_sources(reference, distorted, table, (reference_dir, distorted_dir))
    if reference_dir is None and (rule is not None or allow_unpaired):
        name = "--pairing" if rule is not None else "--allow-unpaired"
        raise InputError(f"{name} is for two folders, --reference-dir and --distorted-dir")
    if runner is not None or beam_options:
        absent = {
            "--every": every > 1,
            "--pool": pool,
            "--junit": junit,
            "--batch-size": batch_size,
            "--display": display,
            "--hdr": hdr,
            "--mask": mask,
            "--tiles": tiles,
            "--align": align != "none",
        }
        folder = score_beam.check(runner, table, out, form, limits, maps, absent)
        score_processes.refuse_flags("not with --runner beam")
        rules = protocol_options.chosen_protocol(protocol, luma, crop_border, None, hdr, peak_nits)
        reading = {"alpha": alpha, "max_pixels": max_pixels, "resize": resize}
        reading |= {"luma": rules.luma, "crop_border": rules.crop_border}
        with interruptible(out):
            score_beam.score(*folder, names, checkpoint, reading, beam_options)
        return
    numbers = protocol_options.parse_tiles(tiles)
    if out is None and form:
        raise InputError("--format is the format of --out, which is not given")
    group = score_processes.find(
        coordinator,
        processes,
        process_id,
        out=out if reference is None else None,
        absent={"--maps": maps},
    )
    watched = supervision.lifeline()
    if group is not None and watched is None:
        sys.exit(supervision.supervise(group, start_timeout))
    from gsn_jax.cli import score_sources, score_table
    from gsn_jax.cli.score_table import TableFile
    from gsn_jax.images.video import is_video
    from gsn_jax.scoring import by_name, layouts, regions, tables
    from gsn_jax.scoring import junit as junit_files
    from gsn_jax.scoring.pairs import Loading, pairs_of_files, pairs_of_table

    rules = protocol_options.chosen_protocol(protocol, luma, crop_border, display, hdr, peak_nits)
    loading = Loading(alpha, max_pixels, resize, align, rules.hdr, rules.peak_nits)
    folders = (reference_dir, distorted_dir) if reference_dir and distorted_dir else None
    videos = reference is not None and any(map(is_video, (reference, *distorted)))
    if every > 1 and not (videos or folders):
        raise InputError("--every is for videos, and for two folders of frames")
    if videos and batch_size is not None:
        raise InputError("--batch-size: not of videos, whose frames are scored one by one")
    if hdr and maps is not None:
        raise InputError("--maps: not of HDR images; leave it or --hdr out")
    for name, value in {"--maps": maps, "--mask": mask, "--tiles": tiles}.items():
        if videos and value is not None:
            raise InputError(f"{name}: not of videos; extract the frames and score them as images")
    with score_processes.joined(group, start_timeout, watched) as taking_part:
        if table is not None:
            pairs = pairs_of_table(table)
        elif folders is not None:
            pairs = score_sources.folder_pairs(folders, rule or "auto", allow_unpaired)[::every]
        else:
            pairs = pairs_of_files(reference or "", distorted)
        pairs = protocol_options.with_masks(pairs, mask, numbers, max_pixels)
        parts = bool(numbers) or any(pair.mask for pair in pairs)
        if parts and batch_size is not None:
            raise InputError(
                "--batch-size: not with masks or tiles, which are scored pair by pair; leave one "
                "of them out"
            )
        if out is not None:
            form = tables.check_target(
                out,
                score_sources.inputs(pairs, table),
                folders or (),
                form=form,
                overwrite=overwrite,
            )
        if junit is not None:
            if out is not None and os.path.realpath(out) == os.path.realpath(junit):
                raise InputError(f"{junit}: is --out and --junit at once; name two files")
            inputs = score_sources.inputs(pairs, table)
            junit_files.check_target(junit, inputs, folders or (), overwrite=overwrite)
        wanted = by_name.named(*names, checkpoint=checkpoint)
        metrics = protocol_options.under(rules, by_name.resolve_all(wanted, checkpoint))
        if parts:
            regions.check_takes_masks(metrics)
        pool = pool or videos
        worst = score_views.parse_limits(limits, metrics, pooled=pool)
        writer = None
        if maps is not None:
            from gsn_jax.cli import map_option

            writer = map_option.map_writer(maps, metrics, pairs)
        layout = layouts.layout_of(pairs, numbers, align)
        with interruptible(out):
            score, pairs = (
                score_sources.of_videos(pairs, loading, every)
                if videos
                else score_sources.of_images(pairs, loading, numbers, batch_size)
            )
            job = score_views.Job(pairs, metrics, loading, rules, numbers, layout)
            if out is not None:
                writing = TableFile(out, form or "csv", escape_formulas)
                scored = score_table.score_to_file(writing, job, score, taking_part)
                if taking_part.index:
                    return  # process 0 has the rows
                if sys.stderr.isatty():  # where the bar has just gone
                    click.echo(f"gsn: the scores of {len(scored)} pairs are in {out}", err=True)
            elif pool:
                scored = score_views.score_in_silence(len(pairs), score(metrics, None))
            else:
                scored = score_views.score_to_screen(job, score(metrics, None), escape_formulas)
            if writer is not None:
                map_option.draw_maps(writer, [row.pair for row in scored if not row.error], loading)
        judged = score_views.pool_to_screen(scored, metrics, escape_formulas) if pool else scored
        if junit is not None:
            junit_files.write(junit, judged, worst)
        score_views.conclude(scored, judged, worst)


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
    # A folder among several images is no mistake: a shell may have expanded DIR/*.
    for name in (reference, *(distorted if len(distorted) == 1 else ())):
        if name is not None and os.path.isdir(name):
            raise InputError(
                f"{name}: is a folder, not an image; to score two folders give --reference-dir "
                "and --distorted-dir, to score a folder's images against one reference name them "
                "(ORIGINAL.png FOLDER/*)"
            )
