"""Where the pairs of `gsn score` come from: files, a table, two folders, or frames of videos."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from gsn_jax.cli.protocol_options import with_masks
from gsn_jax.cli.score_options import Request
from gsn_jax.metric import Metric
from gsn_jax.scoring.folders import pair_folders, unpaired
from gsn_jax.scoring.many_pairs import score_unordered
from gsn_jax.scoring.pairs import Loading, Pair, ScoredPair, pairs_of_files, pairs_of_table
from gsn_jax.scoring.videos import frame_pairs

# Scores all pairs, or the `wanted` indices, in any order.
Score = Callable[..., Iterator[tuple[int, ScoredPair]]]


def pairs_of(request: Request) -> list[Pair]:
    """The pairs with their masks. A video and its reference are one pair.

    Raises:
        InputError: the table, a folder or the masks cannot be used.
    """
    if request.table is not None:
        pairs = pairs_of_table(request.table)
    elif request.folders is not None:
        pairs = _folder_pairs(request)
    else:
        pairs = pairs_of_files(request.reference or "", request.distorted)
    return with_masks(pairs, request.mask, request.tile_counts, request.max_pixels)


def _folder_pairs(request: Request) -> list[Pair]:
    """Every Nth pair of two folders. Files left out for lack of a partner are reported."""
    assert request.folders is not None
    pairs, pairing = pair_folders(
        *request.folders, rule=request.rule or "auto", allow_unpaired=request.allow_unpaired
    )
    if left_out := unpaired(pairing):
        click.echo(f"gsn: left out: {left_out}", err=True)
    return pairs[:: request.every]


def inputs(pairs: Sequence[Pair], table: str | None) -> Iterator[Path | None]:
    """All input files, and None for each that a pair lacks, such as a mask."""
    if table is not None:
        yield Path(table)
    for pair in pairs:
        yield from (pair.reference_file, pair.distorted_file, pair.mask_file)


def scorer(
    request: Request, pairs: list[Pair], metrics: Sequence[Metric], loading: Loading
) -> tuple[Score, list[Pair]]:
    """A function that scores the pairs, and the pairs; a pair of videos becomes pairs of frames.

    Raises:
        InputError: see `frame_pairs`.
    """
    if not request.videos:
        settings: dict[str, Any] = {"tiles": request.tile_counts, "batch_size": request.batch_size}
        return functools.partial(score_unordered, pairs, metrics, loading, **settings), pairs
    files = [pair.files for pair in pairs]
    distorted = [file for _, file in files]
    # Shown on terminals only.
    with Console(stderr=True).status("counting frames"):
        frames = frame_pairs(files[0][0], distorted, every=request.every, loading=loading)
    return functools.partial(frames.score, metrics), frames.pairs
