"""`gsn score`: score distorted images against their references."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from gsn_jax.cli import (
    protocol_options,
    score_beam,
    score_options,
    score_processes,
    shared_options,
    supervision,
)
from gsn_jax.cli.interruption import interruptible
from gsn_jax.cli.score_options import Request
from gsn_jax.errors import InputError
from gsn_jax.images import formats

if TYPE_CHECKING:
    from gsn_jax.cli.score_processes import Processes
    from gsn_jax.scoring.pairs import Loading
    from gsn_jax.scoring.protocol import Protocol


@click.command(
    epilog=f"Images may be {formats.describe()} files of any size; with --hdr, also OpenEXR and "
    "Radiance HDR. Y4M, MP4, MKV, WebM and other videos need the extra 'video'."
)
@score_options.sources
@score_options.outputs
@shared_options.metrics(
    "gsn", "Metrics to compute, by name (see --list-metrics) or as the folder of a model."
)
@shared_options.checkpoint
@score_options.limits
@score_options.resize
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
    help="Write PNG files to DIR that show each pair's quality maps next to the distorted image.",
)
@score_beam.options
@click.option("--list-metrics", is_flag=True, help="List the metrics with their ranges, and exit.")
def command(list_metrics: bool, **options: Any) -> None:
    """Score DISTORTED images or videos against their REFERENCE.

    A table of pairs or two folders can be scored too.

    \b
    gsn score original.png compressed.jpg restored.png
    gsn score --pairs pairs.csv --out scores.csv
    gsn score --reference-dir originals --distorted-dir encoded --out scores.csv
    gsn score original.y4m encoded.mp4 --every 10 --out frames.csv

    The metric gsn gives a quality in [0, 1]; higher is better and identical images score 1.

    Several processes, on one or more machines, can share the work on one table (--pairs or two
    folders, with --out on storage that all can access). Slurm, Open MPI, Kubernetes and Cloud TPU
    are detected. Otherwise, start the same command for each process, with --coordinator,
    --processes and --process-id.

    Exit codes: 0 success, 1 a score is worse than --fail-below, 2 wrong usage or a pair could not
    be scored, 75 another process was lost, 130 interrupted.
    """
    from gsn_jax.cli import score_views

    if list_metrics:
        score_views.print_metrics()
        return
    # Arguments are checked before JAX is imported, which takes seconds.
    request = Request(**options)
    request.check_sources()
    if request.by_beam:
        score_beam.score(request)
        return
    request.check_combinations()
    group = score_processes.find(
        request.coordinator,
        request.processes,
        request.process_id,
        out=request.out if request.reference is None else None,
        absent={"--maps": request.maps},
    )
    watched = supervision.lifeline()
    if group is not None and watched is None:
        sys.exit(supervision.supervise(group, request.start_timeout))
    protocol, loading = _reading(request)
    with score_processes.joined(group, request.start_timeout, watched) as processes:
        _score(request, protocol, loading, processes)


def _reading(request: Request) -> tuple[Protocol, Loading]:
    """What metrics see of an image, and how pairs are loaded from files."""
    from gsn_jax.scoring.pairs import Loading

    protocol = request.rules()
    loading = Loading(
        request.alpha,
        request.max_pixels,
        request.resize,
        request.align,
        protocol.hdr,
        protocol.peak_nits,
    )
    return protocol, loading


def _score(request: Request, protocol: Protocol, loading: Loading, processes: Processes) -> None:
    """Scores all pairs. Exits with code 1 or 2 if one is worse than a limit or failed."""
    from gsn_jax.cli import score_limits, score_sources, score_table, score_views
    from gsn_jax.scoring import by_name, junit, regions, tables

    tiles = request.tile_counts
    pairs = score_sources.pairs_of(request)
    parts = bool(tiles) or any(pair.mask for pair in pairs)
    if parts and request.batch_size is not None:
        raise InputError(
            "--batch-size: not with masks or tiles, which are scored pair by pair; leave one of "
            "them out"
        )
    form = score_table.check_outputs(request, pairs)
    wanted = by_name.named(*request.names, checkpoint=request.checkpoint)
    metrics = protocol_options.under(protocol, by_name.resolve_all(wanted, request.checkpoint))
    if parts:
        regions.check_takes_masks(metrics)
    pool = request.pool or request.videos
    worst = score_limits.parse(request.limits, metrics, pooled=pool)
    writer = None
    if request.maps is not None:
        from gsn_jax.cli import map_option

        writer = map_option.map_writer(request.maps, metrics, pairs)
    layout = tables.layout_of(pairs, tiles, request.align)
    with interruptible(request.out):
        score, pairs = score_sources.scorer(request, pairs, metrics, loading)
        job = score_views.Job(pairs, metrics, loading, protocol, tiles, layout)
        if request.out is not None:
            scored = score_table.score_to_file(
                request.out,
                job,
                score,
                processes,
                form=form,
                escape_formulas=request.escape_formulas,
            )
            if processes.index:
                return  # process 0 has the rows
        elif pool:
            scored = score_views.score_in_silence(len(pairs), score())
        else:
            scored = score_views.score_to_screen(job, score(), request.escape_formulas)
        if writer is not None:
            map_option.draw_maps(writer, [row.pair for row in scored if not row.error], loading)
    judged = scored
    if pool:
        judged = score_views.pool_to_screen(scored, metrics, request.escape_formulas)
    if request.junit is not None:
        junit.write(request.junit, judged, worst)
    score_limits.conclude(scored, judged, worst)
