"""Verified images into array_record files, in one streaming pass.

TFDS's own writer holds a whole split in memory to order it, or spills it, for which it needs
TensorFlow; its `SequentialWriter` writes in the order given.
"""

from __future__ import annotations

import collections
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import tensorflow_datasets as tfds

from data_pipelines import decoding
from data_pipelines.builders.inputs import Problems, Progress
from gsn_jax.errors import InputError

REFERENCES = "references"  # the split with the pristine images
_SHARD = 1024  # images per file
_AT_ONCE = 64  # images in memory

Size = tuple[int, int]


class Record(NamedTuple):
    """An image to store.

    Attributes:
        split: where it goes.
        path: its file, None where missing.
        labels: the record's features beside the image, among them `name` and `reference`.
    """

    split: str
    path: Path | None
    labels: dict[str, Any]


def write_records(
    info: tfds.core.DatasetInfo, records: Sequence[Record], problems: Problems, progress: Progress
) -> dict[str, Size]:
    """Decodes every image, and stores them as long as nothing is wrong.

    Args:
        info: of the set; its folder exists, and it learns of the splits.
        records: each reference before its distorted images.
        problems: told of images that are missing, unreadable or of another size.
        progress: told how many are done.

    Returns:
        Height and width of each reference that could be read, by name.
    """
    writer = tfds.core.SequentialWriter(info, _SHARD, file_format="array_record")
    writer.initialize_splits(list(dict.fromkeys(record.split for record in records)))
    sizes: dict[str, Size] = {}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(records), _AT_ONCE):
            chunk = records[start : start + _AT_ONCE]
            examples = collections.defaultdict(list)
            for record, image in zip(chunk, pool.map(_read, chunk), strict=True):
                problem = image if isinstance(image, str) else _mismatch(record, image[1], sizes)
                if problem:
                    problems.add(problem)
                else:
                    examples[record.split].append({"image": image[0], **record.labels})
            if not len(problems):
                writer.add_examples(examples)
            progress("images", start + len(chunk), len(records))
    writer.close_all()
    return sizes


def _read(record: Record) -> tuple[bytes, Size] | str:
    """An image as PNG with its size, or what is wrong with it."""
    if record.path is None:
        return f"{record.labels['name']} is missing"
    try:
        return decoding.as_png(record.path)
    except InputError as error:
        return str(error)


def _mismatch(record: Record, size: Size, sizes: dict[str, Size]) -> str:
    """Notes the size of a reference; says what is wrong with that of a distorted image."""
    if record.split == REFERENCES:
        sizes[record.labels["name"]] = size
    wanted = sizes.get(record.labels["reference"], size)  # a bad reference is its own problem
    if size == wanted:
        return ""
    return "{}: size {} x {} differs from {} x {} of its reference".format(
        record.labels["name"], *size[::-1], *wanted[::-1]
    )
