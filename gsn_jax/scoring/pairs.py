"""Pairs of files to compare: where they come from, how they are read, in which order."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Shaped

from gsn_jax.errors import InputError
from gsn_jax.images import alignment, pair_tables
from gsn_jax.images.files import MAX_PIXELS, Alpha, load_image, load_luminance

Resize = Literal["to-reference", "to-distorted"]
Hdr = Literal["pu21"]
# uint8, float32 in [0, 1], or float32 in cd/m2.
Image = Shaped[np.ndarray, "h w 3"]


def shown(name: str | os.PathLike[str]) -> str:
    """A file name that can be printed: bytes that are not UTF-8 are escaped."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


@dataclasses.dataclass(frozen=True)
class Pair:
    """Two files to compare.

    Attributes:
        reference: name of the reference as it was given.
        distorted: name of the distorted image as it was given.
        reference_file: its path; None if `problem` says why there is none.
        distorted_file: likewise.
        problem: why the pair cannot be scored, if that is known before a file is opened; else "".
        mask: name of its mask as it was given; "" if the whole image counts.
        mask_file: its path; None if there is no mask.
    """

    reference: str
    distorted: str
    reference_file: Path | None
    distorted_file: Path | None
    problem: str = ""
    mask: str = ""
    mask_file: Path | None = None

    @property
    def files(self) -> tuple[Path, Path]:
        """Paths of the reference and of the distorted image.

        Raises:
            InputError: the pair has a problem.
        """
        if self.problem or self.reference_file is None or self.distorted_file is None:
            raise InputError(self.problem)
        return self.reference_file, self.distorted_file


@dataclasses.dataclass(frozen=True)
class ScoredPair:
    """A pair with its scores.

    Attributes:
        pair: the pair.
        scores: metric name to score, for the metrics that could be computed.
        error: one line that says why the others could not; "" if all could.
        tiles: scores of the pair's tiles, row by row; empty if none were requested, or have scores.
        shift: the shift of the distorted image that was undone; None if none was sought.
        looks_shifted: a shift that was not undone but explains most of the error; else None.
    """

    pair: Pair
    scores: dict[str, float]
    error: str = ""
    tiles: tuple[dict[str, float], ...] = ()
    shift: alignment.Shift | None = None
    looks_shifted: alignment.Shift | None = None


@dataclasses.dataclass(frozen=True)
class Loading:
    """How files become pairs of arrays.

    Attributes:
        alpha: see `gsn_jax.images.load_image`.
        max_pixels: see `gsn_jax.images.load_image`.
        resize: which image is resized to the other's size; None refuses pairs that differ in size.
        align: how a shift between the images is undone, see `gsn_jax.images.alignment.align`.
        hdr: "pu21" reads HDR images as luminance, for metrics under a protocol with the same `hdr`
            (see `gsn_jax.scoring.protocol.Protocol`); None reads sRGB images.
        peak_nits: see `gsn_jax.images.load_luminance`.

    Raises:
        InputError: `hdr` is given together with `alpha` or `align`.
    """

    alpha: Alpha = "refuse"
    max_pixels: int = MAX_PIXELS
    resize: Resize | None = None
    align: alignment.Align = "none"
    hdr: Hdr | None = None
    peak_nits: float | None = None

    def __post_init__(self) -> None:
        for name, given in {"alpha": self.alpha != "refuse", "align": self.align != "none"}.items():
            if given and self.hdr is not None:
                raise InputError(
                    f"{name} {getattr(self, name)} is not for HDR images; leave it out"
                )

    def load(self, path: Path) -> Image:
        """An image file as uint8, float32 in [0, 1], or with `hdr` float32 in cd/m2."""
        if self.hdr is not None:
            return load_luminance(path, peak_nits=self.peak_nits, max_pixels=self.max_pixels)
        return load_image(path, alpha=self.alpha, max_pixels=self.max_pixels)


def pairs_of_files(reference: str, distorted: Sequence[str]) -> list[Pair]:
    """One reference with each of several distorted images."""
    return [Pair(shown(reference), shown(d), Path(reference), Path(d)) for d in distorted]


def pairs_of_table(table: str | os.PathLike[str]) -> list[Pair]:
    """The pairs of a pairs table, in its order; a bad row gives a pair with a problem.

    A column `mask` names the masks; where it is empty, the whole image counts.

    Raises:
        InputError: the table itself cannot be read.
    """
    return [_pair_of_row(table, row) for row in pair_tables.read_rows(table)]


def _pair_of_row(table: str | os.PathLike[str], row: pair_tables.Row) -> Pair:
    reference, distorted = row.fields["reference"], row.fields["distorted"]
    try:
        if row.problem:
            raise InputError(row.problem)
        files = [pair_tables.resolve(table, name) for name in (reference, distorted)]
        mask = row.fields.get("mask", "")
        mask_file = pair_tables.resolve(table, mask) if mask else None
        return Pair(reference, distorted, files[0], files[1], mask=mask, mask_file=mask_file)
    except InputError as error:
        return Pair(reference, distorted, None, None, f"{table}, line {row.line}: {error}")


def running_order(pairs: Sequence[Pair], wanted: Iterable[int]) -> list[int]:
    """The wanted indices, grouped by reference in order of first appearance."""
    groups: dict[Path | None, list[int]] = {}
    for index in wanted:
        groups.setdefault(pairs[index].reference_file, []).append(index)
    return [index for group in groups.values() for index in group]


def share(pairs: Sequence[Pair], process: int, processes: int) -> list[int]:
    """The indices of the pairs that one of several processes scores.

    Shares differ by at most one pair. Most pairs of a reference are in the same share.
    """
    order = running_order(pairs, range(len(pairs)))
    first, end = (len(order) * number // processes for number in (process, process + 1))
    return order[first:end]
