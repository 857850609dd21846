"""The scores of an unfinished table, so that an interrupted `gsn score --out` loses nothing.

They are kept beside the table, in `.NAME.partial`, until the table is complete.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from gsn_jax._version import __version__
from gsn_jax.errors import InputError
from gsn_jax.images.alignment import Shift
from gsn_jax.metric import Metric
from gsn_jax.scoring.many_pairs import Loading, Pair, ScoredPair
from gsn_jax.scoring.provenance import protocol_text, version_of
from gsn_jax.scoring.regions import Tiles
from gsn_jax.scoring.store import Store, exclusive


class Journal:
    """The scores of a table so far. Use `open_journal`, which admits one process at a time.

    Attributes:
        scored: index of a pair to its scores. A pair that failed, or whose files have changed
            since, is left out of what an earlier run scored.
    """

    def __init__(self, path: Path, pairs: Sequence[Pair], run: Mapping[str, Any]):
        """Takes over the scores of an earlier run with the same description.

        Args:
            path: of the file.
            pairs: the pairs of the table.
            run: what the scores depend on besides the files, see `describe_run`.

        Raises:
            OSError: the file cannot be read or written.
        """
        # Taken before any image is read: a file that changes after that is scored again.
        self._stamps = [_stamp(pair) for pair in pairs]
        self._store = Store(path, run)
        self._store.open()
        self.scored: dict[int, ScoredPair] = {}
        for index, row in self._store.rows.items():
            match row:
                case {
                    "files": files,
                    "scores": dict(scores),
                    "error": "",
                    "tiles": list(tiles),
                    "shift": shift,
                } if index in range(len(pairs)) and files == self._stamps[int(index)]:
                    undone = None if shift is None else Shift(*shift)
                    pair = pairs[int(index)]
                    self.scored[int(index)] = ScoredPair(
                        pair, scores, tiles=tuple(tiles), shift=undone
                    )

    def add(self, index: int, scored: ScoredPair) -> None:
        """Keeps the scores of a pair.

        Raises:
            InputError: they cannot be written. What was kept before stays.
        """
        self.scored[index] = scored
        row = {
            "files": self._stamps[index],
            "scores": scored.scores,
            "error": scored.error,
            "tiles": scored.tiles,
            "shift": scored.shift,
        }
        with _written(self._store.path):
            self._store.add(index, row)

    def close(self, *, finished: bool) -> None:
        """Closes the file, and deletes it if the table is complete."""
        if finished:
            self._store.remove()
        else:
            self._store.close()


def _stamp(pair: Pair) -> list[Any]:
    """Names, sizes and modification times of a pair's files."""
    stamp: list[Any] = [pair.reference, pair.distorted, pair.mask]
    for file in (pair.reference_file, pair.distorted_file, pair.mask_file):
        try:
            state = os.stat(file) if file else None
        except (OSError, ValueError):
            state = None
        stamp += [state.st_size, state.st_mtime_ns] if state else [None, None]
    return stamp


@contextlib.contextmanager
def open_journal(
    table: str | os.PathLike[str], pairs: Sequence[Pair], run: Mapping[str, Any]
) -> Iterator[Journal]:
    """The journal of a table. It is deleted at the end, unless the context raises.

    Args:
        table: the table that is being made.
        pairs: its pairs.
        run: what the scores depend on besides the files. Scores of another run are dropped.

    Raises:
        InputError: the file cannot be written, or another process is making the table.
    """
    target = Path(table)
    path = target.with_name(f".{target.name}.partial")
    refusal = f"{table}: another run is writing this table; wait for it, or name another output"
    with contextlib.ExitStack() as stack:
        with _written(path):
            stack.enter_context(exclusive(path.with_suffix(".lock"), refusal, remove=True))
            journal = Journal(path, pairs, run)
        finished = False
        try:
            yield journal
            finished = True
        finally:
            journal.close(finished=finished)


@contextlib.contextmanager
def _written(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(
            f"{path}: cannot be written ({error.strerror or error}); scores written before are "
            "kept, and the same command continues"
        ) from None


def describe_run(
    metrics: Sequence[Metric], loading: Loading, tiles: Tiles | None = None
) -> dict[str, Any]:
    """What scores depend on besides the files: versions, metrics, and how files are read."""
    models = {metric.name: [version_of(metric), protocol_text(metric)] for metric in metrics}
    return {
        "package": __version__,
        "metrics": models,
        "loading": dataclasses.asdict(loading),
        "tiles": tiles,
    }
