"""A TFDS data set from a folder with a pairs table."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

from data_pipelines.builders.base import Pair, PairBuilder
from data_pipelines.builders.inputs import Inputs, Problems
from data_pipelines.builders.writing import REFERENCES
from data_pipelines.tables import PairTable
from gsn_jax.errors import InputError


class IqaTable(PairBuilder):
    """Reads `pairs.csv`, or the folder's only CSV file; see `PairTable` for the columns.

    Args:
        score_range: smallest and largest possible score, if the scores are not in [0, 1].
        higher_is_better: direction of the score.
        **kwargs: see `PairBuilder`.
    """

    TITLE = "Image pairs with scores from your own table"
    HOMEPAGE = ""
    CITATION = ""
    LICENSE = "The license of the images"
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "put the images and a table pairs.csv with the columns "
        "reference,distorted,score[,type,level,group] into the folder"
    )

    def __init__(
        self,
        *,
        score_range: tuple[float, float] | None = None,
        higher_is_better: bool = True,
        **kwargs: Any,
    ):
        self._score_range = score_range
        self._higher_is_better = higher_is_better
        super().__init__(**kwargs)

    def read_pairs(self, inputs: Inputs, problems: Problems, scratch: Path) -> list[Pair]:
        """See `PairBuilder`."""
        del problems, scratch
        path = self._find_table(inputs.folder)
        self.origin = self._origin_of(path)
        table = PairTable(
            path,
            score_range=self._score_range,
            higher_is_better=self._higher_is_better,
        )
        return pairs_of_table(table)

    def check_same(self, manual_dir: Path) -> None:
        """See `PairBuilder`; passes if the folder no longer exists."""
        stored = self.info.metadata.get("origin")
        if not stored or not manual_dir.exists():
            return
        if self._origin_of(self._find_table(manual_dir)) != stored:
            raise InputError(
                f"{self.name} was prepared in {self.data_dir} from another table or with other "
                "options; remove that folder, or choose another --data-dir"
            )

    def _origin_of(self, table: Path) -> dict[str, Any]:
        return {
            "sha256": hashlib.sha256(table.read_bytes()).hexdigest(),
            "score_range": list(self._score_range) if self._score_range else None,
            "higher_is_better": self._higher_is_better,
        }

    def _find_table(self, folder: Path) -> Path:
        if folder.is_file():
            return folder
        tables = sorted(path for path in folder.iterdir() if path.suffix.lower() == ".csv")
        named = [path for path in tables if path.name.lower() == "pairs.csv"]
        if len(tables) != 1 and not named:
            raise InputError(
                f"{folder}: {len(tables)} CSV files, none named pairs.csv; "
                f"{self.MANUAL_DOWNLOAD_INSTRUCTIONS}"
            )
        return (named or tables)[0]


def pairs_of_table(table: PairTable) -> list[Pair]:
    """The rows of a table as `Pair`s; the optional column `split` assigns them to splits.

    Raises:
        InputError: the name of a split is not valid.
    """
    fields = {name: column.tolist() for name, column in table.fields.items()}
    splits = table.text.get("split", ["train"] * len(table))
    for split in sorted(set(splits)):
        if not re.fullmatch(r"[a-z][a-z0-9_]*", split) or split in (REFERENCES, "all"):
            raise InputError(
                f"{table.path}: invalid split name {split!r}; use lower-case letters, digits and "
                f"_, starting with a letter, and neither {REFERENCES} nor all"
            )
    pairs = []
    for i in range(len(table)):
        reference, distorted = table.files(i)
        pairs.append(
            Pair(
                reference=fields["reference"][i],
                reference_path=reference,
                distorted=fields["distorted"][i],
                distorted_path=distorted,
                score=fields["score"][i],
                score_std=fields["score_std"][i],
                quality=fields["quality"][i],
                reference_id=fields["reference_id"][i],
                distortion_type=fields["distortion_type"][i],
                distortion_level=fields["distortion_level"][i],
                split=splits[i],
            )
        )
    return pairs
