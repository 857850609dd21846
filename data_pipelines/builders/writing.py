"""Writes verified images to array_record files in one streaming pass.

TFDS's default writer sorts each split, in memory or on disk with TensorFlow. Its `SequentialWriter`
needs neither, since it keeps the given order.
"""

from __future__ import annotations

import collections
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import tensorflow_datasets as tfds
from tensorflow_datasets.core.example_serializer import ExampleSerializer

from data_pipelines import decoding, parallel
from data_pipelines.builders.inputs import Problems, Progress
from gsn_jax.errors import InputError

REFERENCES = "references"  # the split with the reference images
_SHARD = 1024  # images per file
_AT_ONCE = 64  # images in memory

Size = tuple[int, int]


class Record(NamedTuple):
    """An image to store.

    Attributes:
        split: name of its split.
        path: its file; None if it is missing.
        name: its name, stored with the image.
        reference: name of its reference, which must have the same size; for a reference, its own.
    """

    split: str
    path: Path | None
    name: str
    reference: str


class _Serializer(ExampleSerializer):
    """Serialises examples deterministically; protobuf's maps have no fixed order otherwise."""

    def serialize_example(self, example: Any) -> bytes:
        return self.get_tf_example(example).SerializeToString(deterministic=True)


class _Writer(tfds.core.SequentialWriter):
    """Writes the same bytes every time a set is prepared."""

    def __init__(self, info: tfds.core.DatasetInfo):
        super().__init__(info, _SHARD, file_format="array_record")
        self._serializer = _Serializer(info.features.get_serialized_info())


def write_records(
    info: tfds.core.DatasetInfo, records: Sequence[Record], problems: Problems, progress: Progress
) -> dict[str, Size]:
    """Decodes all images; stops storing them at the first problem.

    Args:
        info: information on the set, whose folder must exist; its splits are set here.
        records: images to store, each reference before its distorted images.
        problems: collects images that are missing, unreadable or not the size of their reference.
        progress: called after each chunk.

    Returns:
        Height and width of each readable reference, by name.
    """
    writer = _Writer(info)
    writer.initialize_splits(list(dict.fromkeys(record.split for record in records)))
    sizes: dict[str, Size] = {}
    with ThreadPoolExecutor(parallel.cores()) as pool:
        for start in range(0, len(records), _AT_ONCE):
            chunk = records[start : start + _AT_ONCE]
            examples = collections.defaultdict(list)
            for record, image in zip(chunk, pool.map(_read, chunk), strict=True):
                problem = image if isinstance(image, str) else _mismatch(record, image[1], sizes)
                if problem:
                    problems.add(problem)
                else:
                    examples[record.split].append({"image": image[0], "name": record.name})
            if not len(problems):
                writer.add_examples(examples)
            progress("images", start + len(chunk), len(records))
    writer.close_all()
    return sizes


def _read(record: Record) -> tuple[bytes, Size] | str:
    """The image as PNG with its size, or a description of the problem."""
    if record.path is None:
        return f"{record.name} is missing"
    try:
        return decoding.as_png(record.path)
    except InputError as error:
        return str(error)


def _mismatch(record: Record, size: Size, sizes: dict[str, Size]) -> str:
    """Records a reference's size, or describes how a distorted one differs ("" if it does not)."""
    if record.split == REFERENCES:
        sizes[record.name] = size
    wanted = sizes.get(record.reference, size)  # a bad reference is reported separately
    if size == wanted:
        return ""
    return "{}: size {} x {} differs from {} x {} of its reference".format(
        record.name, *size[::-1], *wanted[::-1]
    )
