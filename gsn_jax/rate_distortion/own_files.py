"""The encoded files that `gsn rd` and `gsn encode` leave in a folder, to tell from photographs.

`gsn rd` puts them into `FOLDER/encoded/` and describes them in `FOLDER/encoded.jsonl`. `gsn encode`
puts them into `FOLDER` itself and lists them in `FOLDER/.encode.jsonl`.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

from gsn_jax.scoring.store import decode

RD_STORE = "encoded.jsonl"
RD_FILES = "encoded"
ENCODE_STORE = ".encode.jsonl"

# The stores' descriptions of a run; what a row depends on is in the row itself.
RD_RUN = {"encodings": 1}
ENCODE_RUN = {"targets": 1}


def without_own(source: Path, names: Sequence[PurePath]) -> list[PurePath]:
    """The files of a folder that neither command has made.

    Args:
        source: the folder.
        names: files in and below it, relative to it.
    """
    folders = {folder for name in names for folder in name.parents}
    whole = {
        folder / RD_FILES
        for folder in folders
        if _rows(source / folder / RD_STORE, RD_RUN) is not None
    }
    made = {file for folder in folders for file in _listed(source, folder)}
    return [name for name in names if name not in made and whole.isdisjoint(name.parents)]


def _listed(source: Path, folder: PurePath) -> Iterator[PurePath]:
    """The files that `gsn encode` lists in a folder, except for any that have another size now."""
    for row in (_rows(source / folder / ENCODE_STORE, ENCODE_RUN) or {}).values():
        match row:
            case {"file": str(name), "made": [int(size), _]}:
                with contextlib.suppress(OSError, ValueError):
                    if os.stat(source / folder / name).st_size == size:
                        yield folder / name


def _rows(store: Path, run: Mapping[str, Any]) -> Mapping[Any, Any] | None:
    """The rows of a store; None if there is no such store."""
    try:
        found, rows, _ = decode(store.read_bytes())
    except OSError:
        return None
    return rows if found == run else None
