"""Digests that tell whether the images or labels of a source have changed."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from data_pipelines.sources import FIELDS, PairSource

_SAMPLE = 16384  # bytes


def identity_of_images(source: PairSource, further: Iterable[str] = ()) -> str:
    """Digest of the image names in their order and of samples of the image files, if there are any.

    It does not depend on the folder or on the labels.

    Args:
        source: the pairs.
        further: other strings to include.

    Raises:
        OSError: a file cannot be read.
    """
    files = sorted({file for index in range(len(source)) for file in source.files(index)})
    digest = hashlib.blake2b(digest_size=12)
    for part in (*further, *map(_identity_of_file, files)):
        digest.update(f"{part}\n".encode())
    for name in ("reference", "distorted"):
        digest.update(_column(source, name))
    return digest.hexdigest()


def identity_of_pairs(source: PairSource) -> str:
    """Digest of the images and all labels of a source.

    Raises:
        OSError: a file cannot be read.
    """
    digest = hashlib.blake2b(identity_of_images(source).encode(), digest_size=12)
    for name in FIELDS:
        digest.update(_column(source, name))
    return digest.hexdigest()


def _column(source: PairSource, name: str) -> bytes:
    return "\x1f".join(map(str, source.fields[name].tolist())).encode()


def _identity_of_file(path: Path) -> str:
    """Size and hash of samples of a file, since hashing whole files is slower than many metrics."""
    digest = hashlib.blake2b(digest_size=8)
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        for part in range(4):
            file.seek(max(0, (size - _SAMPLE) * part // 3))
            digest.update(file.read(_SAMPLE))
    return f"{size} {digest.hexdigest()}"
