"""Where the pairs of `gsn score` come from: files, a table, two folders, or frames of videos."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import click
from rich.console import Console

from gsn_jax.metric import Metric
from gsn_jax.scoring.folders import pair_folders, unpaired
from gsn_jax.scoring.many_pairs import score_unordered
from gsn_jax.scoring.pairs import Loading, Pair, ScoredPair
from gsn_jax.scoring.regions import Tiles
from gsn_jax.scoring.videos import frame_pairs

# The scores of the pairs with these indices, or of all, in any order.
Score = Callable[[Sequence[Metric], Iterable[int] | None], Iterator[tuple[int, ScoredPair]]]


def folder_pairs(folders: tuple[str, str], rule: str, allow_unpaired: bool) -> list[Pair]:
    """The pairs of two folders; names files without a partner that are left out.

    Raises:
        InputError: see `pair_folders`.
    """
    pairs, pairing = pair_folders(*folders, rule=rule, allow_unpaired=allow_unpaired)
    if left_out := unpaired(pairing):
        click.echo(f"gsn: left out: {left_out}", err=True)
    return pairs


def inputs(pairs: Sequence[Pair], table: str | None) -> Iterator[Path | None]:
    """All files that are read."""
    if table is not None:
        yield Path(table)
    for pair in pairs:
        yield from (pair.reference_file, pair.distorted_file, pair.mask_file)


def of_images(
    pairs: list[Pair], loading: Loading, tiles: Tiles | None, batch_size: int | None
) -> tuple[Score, list[Pair]]:
    """What scores pairs of images, and their tiles, and the pairs."""

    def score(
        metrics: Sequence[Metric], wanted: Iterable[int] | None
    ) -> Iterator[tuple[int, ScoredPair]]:
        return score_unordered(
            pairs, metrics, loading, wanted=wanted, tiles=tiles, batch_size=batch_size
        )

    return score, pairs


def of_videos(pairs: list[Pair], loading: Loading, every: int) -> tuple[Score, list[Pair]]:
    """What scores pairs of videos with the same reference, and the pairs of their frames.

    Raises:
        InputError: see `frame_pairs`.
    """
    files = [pair.files for pair in pairs]
    distorted = [file for _, file in files]
    # Shown on terminals only.
    with Console(stderr=True).status("counting frames"):
        frames = frame_pairs(files[0][0], distorted, every=every, loading=loading)
    return frames.score, frames.pairs
