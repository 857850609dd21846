"""TID2013 rebuilt from the Kodak photographs, with the published scores."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from data_pipelines.builders.base import Pair, PairBuilder
from data_pipelines.builders.inputs import Inputs, Problems
from data_pipelines.builders.iqa_table import pairs_of_table
from data_pipelines.builders.tid2013 import Tid2013
from data_pipelines.tables import PairTable
from gsn_jax.errors import InputError


class Tid2013Regenerated(PairBuilder):
    """Regenerates the images with `data_pipelines.regenerate_tid2013` and stores them.

    `manual_dir` may also be a folder that `regenerate_tid2013.regenerate` wrote.

    The split `reserved` has the reserved scenes, `train` all others. Reference ids are TID2013's.
    """

    TITLE = "TID2013 rebuilt from the Kodak photographs, distortions matched by published PSNR"
    HOMEPAGE = "https://r0k.us/graphics/kodak/"
    CITATION = Tid2013.CITATION
    LICENSE = "Kodak photographs: released for unrestricted usage; scores: see TID2013"
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "put the Kodak photographs kodim01.png to kodim24.png into photos/kodak, and "
        "tid2013_per_image_metrics.csv.gz into tables, below the folder"
    )
    SCORE_RANGE = Tid2013.SCORE_RANGE

    def read_pairs(self, inputs: Inputs, problems: Problems, scratch: Path) -> list[Pair]:
        """See `PairBuilder`."""
        del problems
        made = inputs.folder / "pairs.csv"
        if not made.is_file():
            made = self._regenerate(inputs.folder, scratch / "regenerated")
        table = PairTable(made, score_range=self.SCORE_RANGE)
        return [
            dataclasses.replace(pair, reference_id=pair.reference_id.lower())  # as in TID2013
            for pair in pairs_of_table(table)
        ]

    def _regenerate(self, folder: Path, out: Path) -> Path:
        """Writes the images to `out` and returns the path of their table."""
        from data_pipelines import regenerate_tid2013

        photos, tables = folder / "photos" / "kodak", folder / "tables"
        for needed in (photos, tables):
            if not needed.is_dir():
                raise InputError(f"{needed}: no such folder; {self.MANUAL_DOWNLOAD_INSTRUCTIONS}")
        return regenerate_tid2013.regenerate(
            photos,
            tables,
            out,
            progress=lambda done, total: self._progress("regenerating", done, total),
        )
