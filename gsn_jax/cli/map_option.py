"""`gsn score --maps`: draws quality maps after scoring."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import TYPE_CHECKING

import click
import numpy as np

from gsn_jax.cli.counting import counting_bar
from gsn_jax.scoring.map_pictures import MapWriter

if TYPE_CHECKING:
    from gsn_jax.metric import Metric
    from gsn_jax.scoring.pairs import Loading, Pair


def map_writer(folder: str, metrics: list[Metric], pairs: Iterable[Pair]) -> MapWriter:
    """Checks before scoring that maps can be drawn, and prints which metrics have none.

    Raises:
        InputError: see `MapWriter`.
    """
    files = [path for pair in pairs for path in (pair.reference_file, pair.distorted_file) if path]
    writer = MapWriter(folder, metrics, files)
    if writer.without:
        click.echo(f"gsn: no quality map for {', '.join(writer.without)}", err=True)
    return writer


def draw_maps(writer: MapWriter, pairs: list[Pair], loading: Loading) -> None:
    """Draws the maps of scored pairs.

    Raises:
        InputError: a picture cannot be written.
    """
    from gsn_jax.images import as_pair
    from gsn_jax.scoring import one_pair

    with counting_bar(transient=True, rate="pairs") as bar:
        task = bar.add_task("drawing maps", total=len(pairs))
        masks = one_pair.Masks(loading.max_pixels)
        for pair in pairs:
            reference, distorted = map(loading.load, pair.files)
            # A map shows the whole image, whatever the mask.
            whole = dataclasses.replace(pair, mask="", mask_file=None)
            prepared = one_pair.prepare(whole, reference, distorted, loading, masks)
            images = as_pair(prepared.reference, prepared.distorted)
            names = pair.reference, pair.distorted
            writer.write(names, np.asarray(images[0]), np.asarray(images[1]))
            bar.advance(task)
