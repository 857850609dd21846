"""Base class of the builders: verifies the images, stores them and reads whole pairs."""

from __future__ import annotations

import collections
import dataclasses
import math
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import tensorflow_datasets as tfds
from tensorflow_datasets.core.dataset_builder import FileReaderBuilder
from tensorflow_datasets.core.dataset_info import DatasetIdentity

from data_pipelines.builders.inputs import Inputs, Problems, Progress
from data_pipelines.builders.prepared import PreparedPairs
from data_pipelines.builders.writing import REFERENCES, Record, write_records
from gsn_jax.errors import InputError


@dataclasses.dataclass(frozen=True)
class Pair:
    """A row of a data set's table, with the files it names.

    Attributes:
        reference: name of the reference, unique in the set.
        reference_path: its file; None if it is missing.
        distorted: name of the distorted image, unique in the set.
        distorted_path: its file; None if it is missing.
        score: the published score.
        reference_id: the content; splits keep pairs with the same content together.
        distortion_type: the set's name for the distortion.
        distortion_level: the set's level for the strength; 0 if it has none.
        score_std: the published standard deviation, or NaN.
        quality: in [0, 1], up = better; None maps the score linearly from the set's range.
        split: name of the pair's split.
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
    """Dataset information that is never looked up on TFDS's server."""

    def initialize_from_bucket(self) -> None:
        """Does nothing: the server lacks these sets, and a request would leave a folder behind."""


class PairBuilder(FileReaderBuilder, skip_registration=True):  # type: ignore[call-arg]
    """Builds a data set of pairs from `manual_dir`; a subclass reads the authors' table.

    The split `references` holds the reference images; the other splits hold the distorted images.
    The labels are stored once, in the set's metadata. `as_data_source` joins all three into whole
    pairs.
    """

    # Nothing is downloaded. Without this, TFDS would look for checksums with a package that it does
    # not install.
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
    # Expected counts; None accepts any number.
    NUM_REFERENCES: ClassVar[int | None] = None
    NUM_PAIRS: ClassVar[int | None] = None

    def __init__(self, *, progress: Progress | None = None, **kwargs: Any):
        self._progress: Progress = progress or (lambda stage, done, total: None)
        self.origin: dict[str, Any] = {}  # what `check_same` compares; set by `read_pairs`
        super().__init__(file_format="array_record", **kwargs)

    def read_pairs(self, inputs: Inputs, problems: Problems, scratch: Path) -> list[Pair]:
        """Reads the set's table and finds the files it names.

        Args:
            inputs: the files in `manual_dir`.
            problems: collects broken rows.
            scratch: folder for temporary files.

        Raises:
            InputError: the table itself is missing or cannot be read.
        """
        raise NotImplementedError

    def _info(self) -> tfds.core.DatasetInfo:
        return self._make_info(self)

    def _make_info(self, builder: PairBuilder | DatasetIdentity) -> tfds.core.DatasetInfo:
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
                }
            ),
            disable_shuffling=True,
            metadata=tfds.core.MetadataDict(),
        )

    def is_prepared(self) -> bool:
        """Whether the set is in `data_dir`; unlike TFDS's method, does not warn if it is not."""
        return (Path(self.data_dir) / "dataset_info.json").is_file()

    def check_same(self, manual_dir: Path) -> None:
        """Checks that the prepared set came from this folder's table; published sets always pass.

        Raises:
            InputError: it was made from another table or with other options.
        """

    def _log_download_bytes(self) -> None:
        """Silences TFDS's message about a download, since there is none."""

    def _log_download_done(self) -> None:
        """Silences TFDS's final message; the caller reports the result."""

    def _download_and_prepare(
        self,
        dl_manager: tfds.download.DownloadManager,
        download_config: tfds.download.DownloadConfig,
    ) -> None:
        """TFDS's hook: verifies all files and writes the records.

        Raises:
            InputError: something is missing or wrong; the message lists it.
        """
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
        """Checks counts, duplicates and scores; `write_records` checks the images."""
        references = {pair.reference for pair in pairs}
        for found, wanted, what in (
            (len(references), self.NUM_REFERENCES, "references"),
            (len(pairs), self.NUM_PAIRS, "pairs"),
        ):
            if found != wanted and (wanted is not None or not found):
                problems.add(f"{found} {what} instead of {wanted or 'at least one'}")
        for name, count in collections.Counter(pair.distorted for pair in pairs).items():
            if count > 1:
                problems.add(f"{name}: occurs {count} times in the table")
        for pair in pairs:
            low, high = self.SCORE_RANGE
            if pair.quality is None and not low <= pair.score <= high:
                problems.add(f"{pair.distorted}: score {pair.score} is not in [{low:g}, {high:g}]")

    def _quality(self, pair: Pair) -> float:
        if pair.quality is not None:
            return float(pair.quality)
        low, high = self.SCORE_RANGE
        share = (pair.score - low) / (high - low)
        return share if self.HIGHER_IS_BETTER else 1 - share

    def _write(self, pairs: Sequence[Pair], problems: Problems) -> None:
        references = {pair.reference: pair.reference_path for pair in pairs}
        records = [Record(REFERENCES, path, name, name) for name, path in references.items()]
        records += [
            Record(pair.split, pair.distorted_path, pair.distorted, pair.reference)
            for pair in pairs
        ]
        # `self.info` names the final folder, but TFDS has the records written to a temporary one.
        info = self._make_info(DatasetIdentity.from_builder(self))
        sizes = write_records(info, records, problems, self._progress)
        self.info.set_splits(info.splits)
        columns: dict[str, dict[str, list[Any]]] = {}
        for pair in pairs:
            row = {**self._labels(pair), "size": sizes.get(pair.reference)}
            split = columns.setdefault(pair.split, {name: [] for name in row})
            for name, value in row.items():
                split[name].append(value)
        self.info.metadata.update(references=list(references), splits=columns, origin=self.origin)

    def _labels(self, pair: Pair) -> dict[str, Any]:
        return {
            "name": pair.distorted,
            "reference": pair.reference,
            "reference_id": pair.reference_id,
            "score": pair.score,
            "score_std": None if math.isnan(pair.score_std) else pair.score_std,  # for JSON
            "quality": self._quality(pair),
            "distortion_type": pair.distortion_type,
            "distortion_level": pair.distortion_level,
        }

    def records(self, split: str) -> Any:
        """The records of one split as read by TFDS: `name`, and `image` as PNG bytes."""
        return super().as_data_source(split, decoders={"image": tfds.decode.SkipDecoding()})

    def as_data_source(self, split: Any = None, **kwargs: Any) -> Any:
        """Whole pairs with random access; see `PreparedPairs`.

        Args:
            split: `"train"` or another split of the set, `"all"` for all of them together, or
                None for a dict of all splits.
            **kwargs: not supported; part of TFDS's signature.

        Raises:
            InputError: there is no such split.
            TypeError: `kwargs` are given.
        """
        if kwargs:
            raise TypeError(f"as_data_source of {self.name} does not support {', '.join(kwargs)}")
        splits = list(self.info.metadata["splits"])
        if split is None:
            return {name: self.as_data_source(name) for name in splits}
        if split != "all" and split not in splits:
            raise InputError(
                f"{self.name} has no split {split!r}; choose from {', '.join([*splits, 'all'])}"
            )
        return PreparedPairs(self, splits if split == "all" else [split])
