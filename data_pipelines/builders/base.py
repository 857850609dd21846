"""What the builders share: verification, storing each reference once, and reading whole pairs."""

from __future__ import annotations

import collections
import dataclasses
import math
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds
from tensorflow_datasets.core.dataset_info import DatasetIdentity

from data_pipelines.builders.inputs import Inputs, Problems, Progress
from data_pipelines.builders.prepared import PreparedPairs
from data_pipelines.builders.writing import REFERENCES, Record, write_records
from gsn_jax.errors import InputError


@dataclasses.dataclass(frozen=True)
class Pair:
    """A row of a data set's table, with the files it names.

    Attributes:
        reference: the reference's name, unique in the set.
        reference_path: its file, None where missing.
        distorted: the distorted image's name, unique in the set.
        distorted_path: its file, None where missing.
        score: as published.
        reference_id: the content.
        distortion_type: the set's name for the distortion.
        distortion_level: the set's number of its strength, 0 where it has none.
        score_std: as published, or NaN.
        quality: in [0, 1], up = better; None computes it from the score and the set's range.
        split: where the pair goes.
    """

    reference: str
    reference_path: Path | None
    distorted: str
    distorted_path: Path | None
    score: float
    reference_id: str
    distortion_type: str = ""
    distortion_level: int = 0
    score_std: float = math.nan
    quality: float | None = None
    split: str = "train"


class _Info(tfds.core.DatasetInfo):
    """Information that is only kept with the prepared set."""

    def initialize_from_bucket(self) -> None:
        """Looks nothing up on TFDS's server, and leaves no temporary folder behind for it."""


class PairBuilder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """Builds a data set of pairs from `manual_dir`; a subclass reads the authors' table.

    The records of the split `references` are the pristine images; those of the other splits are
    the distorted images with their labels. `as_data_source` joins them to whole pairs.
    """

    # Nothing is downloaded; looking for checksums would need a package that TFDS does not install.
    url_infos: ClassVar[dict[str, Any]] = {}

    VERSION = tfds.core.Version("1.0.0")

    TITLE: ClassVar[str]
    HOMEPAGE: ClassVar[str]
    CITATION: ClassVar[str]
    LICENSE: ClassVar[str]
    MANUAL_DOWNLOAD_INSTRUCTIONS: ClassVar[str]
    ARCHIVES: ClassVar[tuple[str, ...]] = ()
    SCORE_RANGE: ClassVar[tuple[float, float]] = (0.0, 1.0)
    HIGHER_IS_BETTER: ClassVar[bool] = True
    # How many there must be; None accepts any number.
    NUM_REFERENCES: ClassVar[int | None] = None
    NUM_PAIRS: ClassVar[int | None] = None

    def __init__(self, *, progress: Progress | None = None, **kwargs: Any):
        self._progress: Progress = progress or (lambda stage, done, total: None)
        super().__init__(file_format="array_record", **kwargs)

    def read_pairs(self, inputs: Inputs, problems: Problems, scratch: Path) -> list[Pair]:
        """The set's table and the files it names; what is wrong goes to `problems`.

        Raises:
            InputError: the table itself is missing.
        """
        raise NotImplementedError

    def _info(self) -> tfds.core.DatasetInfo:
        return self._make_info(self)

    def _make_info(self, builder: PairBuilder | DatasetIdentity) -> tfds.core.DatasetInfo:
        # A record holds floats in single precision; `PreparedPairs` has scores in double precision.
        return _Info(
            builder=builder,
            description=self.TITLE,
            homepage=self.HOMEPAGE,
            citation=self.CITATION,
            license=self.LICENSE,
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(None, None, 3), encoding_format="png"),
                    "name": tfds.features.Text(),
                    "reference": tfds.features.Text(),
                    "reference_id": tfds.features.Text(),
                    "score": tfds.features.Scalar(np.float32),
                    "score_std": tfds.features.Scalar(np.float32),
                    "quality": tfds.features.Scalar(np.float32),
                    "distortion_type": tfds.features.Text(),
                    "distortion_level": tfds.features.Scalar(np.int64),
                }
            ),
            disable_shuffling=True,
            metadata=tfds.core.MetadataDict(),
        )

    def is_prepared(self) -> bool:
        """Whether the set is in `data_dir`, without TFDS's warning when it is not."""
        return (Path(self.data_dir) / "dataset_info.json").is_file()

    def _log_download_bytes(self) -> None:
        """Silences TFDS's announcement of a download; there is none."""

    def _log_download_done(self) -> None:
        """Silences its end, too; the caller says what is ready."""

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        raise NotImplementedError("the records are written by _download_and_prepare")

    def _generate_examples(self) -> Iterator[Any]:
        raise NotImplementedError("the records are written by _download_and_prepare")

    def _download_and_prepare(
        self,
        dl_manager: tfds.download.DownloadManager,
        download_config: tfds.download.DownloadConfig,
    ) -> None:
        """Verifies everything and writes the records; raises when anything is wrong."""
        manual_dir = download_config.manual_dir or dl_manager.manual_dir
        problems = Problems()
        with (
            tempfile.TemporaryDirectory(prefix="scratch.", dir=self.data_dir) as scratch,
            Inputs(manual_dir, self.ARCHIVES, scratch, self._progress) as inputs,
        ):
            pairs = self.read_pairs(inputs, problems, Path(scratch))
            self._check_table(pairs, problems)
            self._write(pairs, problems)
        problems.raise_if_any(f"{self.name}: {manual_dir}")

    def _check_table(self, pairs: Sequence[Pair], problems: Problems) -> None:
        """Counts, duplicates and scores; the images follow when they are decoded."""
        references = {pair.reference for pair in pairs}
        for found, wanted, what in (
            (len(references), self.NUM_REFERENCES, "references"),
            (len(pairs), self.NUM_PAIRS, "pairs"),
        ):
            if found != wanted and (wanted is not None or not found):
                problems.add(f"{found} {what} instead of {wanted or 'at least one'}")
        for name, count in collections.Counter(pair.distorted for pair in pairs).items():
            if count > 1:
                problems.add(f"{name} occurs {count} times")
        for pair in pairs:
            low, high = self.SCORE_RANGE
            if pair.quality is None and not low <= pair.score <= high:
                problems.add(f"{pair.distorted}: score {pair.score} is not in [{low:g}, {high:g}]")

    def quality(self, pair: Pair) -> float:
        """The pair's label in [0, 1], up = better."""
        if pair.quality is not None:
            return float(pair.quality)
        low, high = self.SCORE_RANGE
        share = (pair.score - low) / (high - low)
        return share if self.HIGHER_IS_BETTER else 1 - share

    def _write(self, pairs: Sequence[Pair], problems: Problems) -> None:
        references = {pair.reference: pair for pair in pairs}
        records = [
            Record(REFERENCES, pair.reference_path, _reference_labels(pair))
            for pair in references.values()
        ]
        records += [Record(pair.split, pair.distorted_path, self._labels(pair)) for pair in pairs]
        # TFDS's `self.info` names the final folder; the records go to a temporary one until then.
        info = self._make_info(DatasetIdentity.from_builder(self))
        sizes = write_records(info, records, problems, self._progress)
        self.info.set_splits(info.splits)
        # What is known without decoding: the labels in the order of the records.
        columns: dict[str, dict[str, list[Any]]] = {}
        for pair in pairs:
            row = {**self._labels(pair), "size": sizes.get(pair.reference)}
            row["score_std"] = None if math.isnan(pair.score_std) else pair.score_std
            split = columns.setdefault(pair.split, {name: [] for name in row})
            for name, value in row.items():
                split[name].append(value)
        self.info.metadata.update(references=list(references), splits=columns)

    def _labels(self, pair: Pair) -> dict[str, Any]:
        return {
            "name": pair.distorted,
            "reference": pair.reference,
            "reference_id": pair.reference_id,
            "score": pair.score,
            "score_std": pair.score_std,
            "quality": self.quality(pair),
            "distortion_type": pair.distortion_type,
            "distortion_level": pair.distortion_level,
        }

    def records(self, split: str) -> Any:
        """The stored records of one split as TFDS gives them, images as PNG bytes."""
        return super().as_data_source(split, decoders={"image": tfds.decode.SkipDecoding()})

    def as_data_source(self, split: Any = None, **kwargs: Any) -> Any:
        """Whole pairs, reference and distorted image joined; see `PreparedPairs`.

        Args:
            split: `"train"`, or another split of the set; `"all"` is all of them. None gives a
                dict of all splits.
            **kwargs: refused; the pairs are always decoded.

        Raises:
            InputError: there is no such split.
        """
        if kwargs:
            raise TypeError(f"as_data_source of {self.name} takes no {', '.join(kwargs)}")
        splits = list(self.info.metadata["splits"])
        if split is None:
            return {name: self.as_data_source(name) for name in splits}
        if split != "all" and split not in splits:
            raise InputError(
                f"{self.name} has no split {split!r}; there are {', '.join([*splits, 'all'])}"
            )
        return PreparedPairs(self, splits if split == "all" else [split])


def _reference_labels(pair: Pair) -> dict[str, Any]:
    return {
        "name": pair.reference,
        "reference": pair.reference,
        "reference_id": pair.reference_id,
        "score": math.nan,
        "score_std": math.nan,
        "quality": math.nan,
        "distortion_type": "",
        "distortion_level": 0,
    }
