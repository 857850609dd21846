"""Random-access sources of pairs: the interface behind the loader, evaluation and benchmark.

A source knows the labels of every pair without decoding an image; `source[i]` decodes pair `i`.
"""

from __future__ import annotations

import abc
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gsn_jax.errors import InputError

# Columns of labels and image names, with their types.
FIELDS = {
    "score": np.float64,
    "score_std": np.float64,
    "quality": np.float32,
    "reference_id": np.str_,
    "distortion_type": np.str_,
    "distortion_level": np.int64,
    "reference": np.str_,
    "distorted": np.str_,
}


class PairSource(abc.ABC):
    """Pairs of a reference and a distorted image with an opinion score, in a fixed order.

    `source[i]` is a dict with

    - `reference`, `distorted`: uint8 `(H, W, 3)`, sRGB, of equal shape;
    - `score`: float, as published; `score_std`: float, NaN if not published;
    - `quality`: float32 in [0, 1], up = better;
    - `reference_id`: str, the content; splits keep pairs with the same content together;
    - `distortion_type`: str; `distortion_level`: int, 0 if unknown.
    """

    def __init__(self, fields: Mapping[str, Any]):
        self._fields = {name: np.asarray(fields[name], kind) for name, kind in FIELDS.items()}

    @property
    def fields(self) -> dict[str, np.ndarray]:
        """Columns `(N,)` of labels and image names, keyed as in `FIELDS`."""
        return self._fields

    @property
    def reference_ids(self) -> list[str]:
        """The content of each pair."""
        return self._fields["reference_id"].tolist()

    @property
    def quality(self) -> np.ndarray:
        """Labels, float32 `(N,)` in [0, 1], up = better."""
        return self._fields["quality"]

    @abc.abstractmethod
    def load_reference(self, index: int) -> np.ndarray:
        """The reference image of pair `index`, uint8 `(H, W, 3)`."""

    @abc.abstractmethod
    def load_distorted(self, index: int) -> np.ndarray:
        """The distorted image of pair `index`, uint8 `(H, W, 3)`."""

    def reference_key(self, index: int) -> Hashable:
        """A key of the reference image; pairs with equal keys have the same image."""
        return str(self._fields["reference"][index])

    def image_size(self, index: int) -> tuple[int, int] | None:
        """Height and width of pair `index`, or None if that needs decoding."""
        del index
        return None

    def files(self, index: int) -> tuple[Path, ...]:
        """The files of both images of pair `index`; () if the source has no image files."""
        del index
        return ()

    def labels(self, index: int) -> dict[str, Any]:
        """The labels in `source[index]`: Python values, but `quality` is a NumPy float32."""
        row = {name: column[index].item() for name, column in self._fields.items()}
        del row["reference"], row["distorted"]
        row["quality"] = np.float32(row["quality"])
        return row

    def describe(self, index: int) -> str:
        """The pair's name for an error message."""
        return str(self._fields["distorted"][index])

    def __len__(self) -> int:
        return len(self._fields["score"])

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Pair `index`, decoded.

        Raises:
            IndexError: there is no such pair.
            InputError: an image cannot be read, or the sizes differ.
        """
        index = check_index(index, len(self))
        reference, distorted = self.load_reference(index), self.load_distorted(index)
        check_sizes(self, index, reference, distorted)
        return {"reference": reference, "distorted": distorted, **self.labels(index)}


def check_index(index: Any, length: int) -> int:
    """`index` as an int in [0, length); negative indices count from the end.

    Raises:
        IndexError: there is no such element.
    """
    position = index.__index__()
    if not -length <= position < length:
        raise IndexError(f"no pair {position}; the source has {length}")
    return position % length


def check_sizes(
    source: PairSource, index: int, reference: np.ndarray, distorted: np.ndarray
) -> None:
    """Checks that both images of a pair have the same size.

    Raises:
        InputError: they differ.
    """
    if reference.shape != distorted.shape:
        sizes = ["{1} x {0}".format(*image.shape) for image in (distorted, reference)]
        raise InputError(
            f"{source.describe(index)}: size {sizes[0]} differs from {sizes[1]} of its reference "
            f"{source.fields['reference'][index]}; a pair needs equal sizes"
        )


class _Delegated(PairSource):
    """Pairs that are pairs of other sources."""

    @abc.abstractmethod
    def _locate(self, index: int) -> tuple[PairSource, int]:
        """The source of a pair, and its index there."""

    def load_reference(self, index: int) -> np.ndarray:
        """See `PairSource`."""
        source, inner = self._locate(index)
        return source.load_reference(inner)

    def load_distorted(self, index: int) -> np.ndarray:
        """See `PairSource`."""
        source, inner = self._locate(index)
        return source.load_distorted(inner)

    def reference_key(self, index: int) -> Hashable:
        """See `PairSource`."""
        source, inner = self._locate(index)
        return source.reference_key(inner)

    def image_size(self, index: int) -> tuple[int, int] | None:
        """See `PairSource`."""
        source, inner = self._locate(index)
        return source.image_size(inner)

    def files(self, index: int) -> tuple[Path, ...]:
        """See `PairSource`."""
        source, inner = self._locate(index)
        return source.files(inner)

    def describe(self, index: int) -> str:
        """See `PairSource`."""
        source, inner = self._locate(index)
        return source.describe(inner)


class Subset(_Delegated):
    """The pairs `indices` of `source`, in that order."""

    def __init__(self, source: PairSource, indices: Sequence[int] | np.ndarray):
        self.source = source
        self.indices = np.asarray(indices, np.int64).reshape(-1)
        for index in self.indices:
            check_index(index, len(source))
        super().__init__({name: column[self.indices] for name, column in source.fields.items()})

    def _locate(self, index: int) -> tuple[PairSource, int]:
        return self.source, int(self.indices[index])


class Rescaled(Subset):
    """All pairs of `source` with another mapping from score to quality.

    Observers may not use the whole nominal range, and data sets that are trained on together need
    comparable qualities.
    """

    def __init__(self, source: PairSource, worst: float, best: float):
        """Maps scores linearly: `worst` to quality 0 and `best` to 1.

        Raises:
            InputError: a score lies outside this range.
        """
        super().__init__(source, np.arange(len(source)))
        quality = (self._fields["score"] - worst) / (best - worst)
        if not ((quality >= 0) & (quality <= 1)).all():
            scores = self._fields["score"]
            raise InputError(
                f"scores from {scores.min():g} to {scores.max():g} lie outside {worst:g} to "
                f"{best:g}; give a wider range"
            )
        self._fields["quality"] = quality.astype(np.float32)


class Concatenated(_Delegated):
    """All pairs of several sources, one source after the other.

    Reference ids are kept, so that a photograph in two sources stays on one side of a split. If
    equal ids mean different photographs (`i01` in TID2013 and KADID-10k), pass `prefixes`, such as
    `tid2013/`, one per source.
    """

    def __init__(self, sources: Sequence[PairSource], prefixes: Sequence[str] | None = None):
        if not sources:
            raise InputError("no sources to concatenate; give at least one")
        self.sources = tuple(sources)
        self._starts = np.cumsum([0, *(len(source) for source in sources)])
        # A source that is given twice has the same references both times.
        positions = {id(source): position for position, source in enumerate(sources)}
        self._source_keys = [positions[id(source)] for source in sources]
        columns = {
            name: np.concatenate([source.fields[name] for source in sources]) for name in FIELDS
        }
        if prefixes is not None:
            columns["reference_id"] = np.asarray(
                [
                    prefix + reference_id
                    for prefix, source in zip(prefixes, sources, strict=True)
                    for reference_id in source.reference_ids
                ],
                np.str_,
            )
        super().__init__(columns)

    def _place(self, index: int) -> int:
        return int(np.searchsorted(self._starts, index, side="right")) - 1

    def _locate(self, index: int) -> tuple[PairSource, int]:
        place = self._place(index)
        return self.sources[place], int(index - self._starts[place])

    def reference_key(self, index: int) -> Hashable:
        """See `PairSource`."""
        return self._source_keys[self._place(index)], super().reference_key(index)
