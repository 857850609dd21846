"""Whole pairs of a prepared data set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from data_pipelines import decoding
from data_pipelines.sources import FIELDS, PairSource, check_index
from gsn_jax.errors import InputError

if TYPE_CHECKING:
    from data_pipelines.builders.base import PairBuilder


class PreparedPairs(PairSource):
    """Random access to the pairs in some splits of a prepared set.

    Labels and sizes come from the set's metadata; the records hold the images.
    """

    def __init__(self, builder: PairBuilder, splits: Sequence[str]):
        metadata = builder.info.metadata
        self._where = f"{builder.name} in {builder.data_dir}"
        columns: dict[str, list[Any]] = {name: [] for name in (*FIELDS, "size")}
        self._rows: list[tuple[int, int]] = []
        for number, split in enumerate(splits):
            rows = metadata["splits"][split]
            for name, column in columns.items():
                column.extend(rows["name" if name == "distorted" else name])
            self._rows.extend((number, row) for row in range(len(rows["score"])))
        columns["score_std"] = [
            np.nan if deviation is None else deviation for deviation in columns["score_std"]
        ]
        self._sizes = [tuple(size) for size in columns.pop("size")]
        self._positions = {name: i for i, name in enumerate(metadata["references"])}
        self._references = builder.records("references")
        self._pairs = [builder.records(split) for split in splits]
        super().__init__(columns)

    def load_reference(self, index: int) -> np.ndarray:
        """See `PairSource`."""
        name = str(self.fields["reference"][index])
        record = self._record(self._references, self._positions[name], name)
        return decoding.decode_png(record["image"], f"{self._where}: {name}")

    def load_distorted(self, index: int) -> np.ndarray:
        """See `PairSource`."""
        split, row = self._rows[check_index(index, len(self))]
        record = self._record(self._pairs[split], row, self.describe(index))
        return decoding.decode_png(record["image"], f"{self._where}: {self.describe(index)}")

    def _record(self, records: Any, position: int, name: str) -> dict[str, Any]:
        """Reads one record.

        Raises:
            InputError: the file is damaged or missing.
        """
        try:
            return records[position]
        except Exception as error:  # ArrayRecord and TFDS raise all kinds of errors on damage
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            raise InputError(
                f"{self._where}: {name}: damaged record ({reason}); remove the set's folder and "
                "prepare it again"
            ) from error

    def image_size(self, index: int) -> tuple[int, int]:
        """See `PairSource`."""
        return self._sizes[index]
