"""The columns and rows of a table of scores."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

from gsn_jax.scoring.pairs import Pair, ScoredPair
from gsn_jax.scoring.regions import Tiles

# Columns that hold text, and those that number tiles, from 1; the others hold numbers.
TEXTS = ("reference", "distorted", "mask", "error")
NUMBERS_OF_TILES = ("row", "column")
_SHIFT = ("shift_x", "shift_y")


@dataclasses.dataclass(frozen=True)
class Layout:
    """What a table has beside reference, distorted, a column per metric, and error.

    Attributes:
        masks: a column with the names of the masks.
        tiles: a row for each tile after the row of its pair, and columns that number them.
        shifts: columns with the shift that was undone, in pixels to the right and down.
    """

    masks: bool = False
    tiles: Tiles | None = None
    shifts: bool = False

    def columns(self, names: Sequence[str]) -> list[str]:
        """The columns; `names` are those of the metrics."""
        before = ["mask"] * self.masks + list(NUMBERS_OF_TILES) * bool(self.tiles)
        return ["reference", "distorted", *before, *names, *(_SHIFT * self.shifts), "error"]

    def rows(self, item: ScoredPair, names: Sequence[str]) -> Iterator[dict[str, Any]]:
        """The rows of a pair, with the columns in their order; None where there is no value."""
        places: list[tuple[int | None, int | None]] = [(None, None)]
        if self.tiles and item.tiles:
            rows, columns = (range(1, count + 1) for count in self.tiles)
            places += [(row, column) for row in rows for column in columns]
        known = {
            "reference": item.pair.reference,
            "distorted": item.pair.distorted,
            "mask": item.pair.mask,
            "shift_x": item.shift and item.shift.right,
            "shift_y": item.shift and item.shift.down,
            "error": item.error,
        }
        for place, scores in zip(places, (item.scores, *item.tiles), strict=True):
            values = {name: scores.get(name) for name in names}
            numbers = dict(zip(NUMBERS_OF_TILES, place, strict=True))
            row = {**known, **numbers, **values}
            yield {name: row[name] for name in self.columns(names)}


PLAIN = Layout()


def layout_of(pairs: Sequence[Pair], tiles: Tiles | None, align: str) -> Layout:
    """The layout of a table of these pairs."""
    return Layout(any(pair.mask for pair in pairs), tiles, align != "none")
