"""The scores of an unfinished table, so that an interrupted `gsn score --out` loses nothing.

They are kept beside the table, in `.NAME.partial`, until the table is complete. Several processes
write one file each (`.NAME.partial`, `.NAME.partial-1` and so on), and process 0 merges them. A
later run continues from all of them, whatever its number of processes.
"""

from __future__ import annotations

import contextlib
import dataclasses
import glob
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from gsn_jax import storage
from gsn_jax._version import __version__
from gsn_jax.errors import InputError
from gsn_jax.images.alignment import Shift
from gsn_jax.metric import Metric
from gsn_jax.scoring.pairs import Loading, Pair, ScoredPair
from gsn_jax.scoring.provenance import protocol_text, version_of
from gsn_jax.scoring.regions import Tiles
from gsn_jax.scoring.store import Store


class Journal:
    """The scores of a table so far. Use `open_journal`, which admits one process at a time.

    Attributes:
        scored: index of a pair to its scores. Those of an earlier run are included, except for
            pairs that failed or whose files have changed since.
    """

    def __init__(self, path: Path, pattern: str, pairs: Sequence[Pair], run: Mapping[str, Any]):
        """Takes over the scores of an earlier run with the same description.

        Args:
            path: the file of this process.
            pattern: glob pattern for the files of all processes, in the same folder.
            pairs: the pairs of the table.
            run: what the scores depend on besides the files, see `describe_run`.

        Raises:
            OSError: a file cannot be read or written.
        """
        # Taken before any image is read, so that a file that changes later is scored again.
        self._stamps = [_stamp(pair) for pair in pairs]
        self._pairs, self._run, self._pattern = pairs, run, pattern
        self._store = Store(path, run)
        self._store.open()
        self.scored = self._read(failed=False)

    def gather(self) -> None:
        """Adds the scores of the other processes of this run, which have closed their files.

        Raises:
            InputError: a file cannot be read.
        """
        with _written(self._store.path):
            self.scored = self._read(failed=True)

    def _read(self, *, failed: bool) -> dict[int, ScoredPair]:
        """The pairs of all files. Scores take precedence over errors from other processes."""
        found: dict[int, ScoredPair] = {}
        for path in self._files():
            store = self._store if path == self._store.path else Store(path, self._run)
            for index, row in store.rows.items():
                if index not in range(len(self._pairs)):
                    continue
                item = _kept(self._pairs[int(index)], self._stamps[int(index)], row)
                if item and (not item.error or (failed and int(index) not in found)):
                    found[int(index)] = item
        return found

    def _files(self) -> list[Path]:
        return sorted(self._store.path.parent.glob(self._pattern))

    def add(self, index: int, scored: ScoredPair) -> None:
        """Stores the scores of a pair.

        Raises:
            InputError: they cannot be written; earlier scores stay.
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

    def close(self) -> None:
        """Closes the file, so that other processes see all of it; `add` opens it again."""
        self._store.close()

    def remove(self) -> None:
        """Deletes the files of all processes, once the table is complete."""
        self._store.close()
        for path in self._files():
            path.unlink(missing_ok=True)


def _kept(pair: Pair, stamp: list[Any], row: Any) -> ScoredPair | None:
    """A pair with the scores in its row; None if the row is invalid or the files have changed."""
    match row:
        case {
            "files": files,
            "scores": dict(scores),
            "error": str(error),
            "tiles": [*tiles],  # a list in a file, a tuple in this process
            "shift": shift,
        } if files == stamp:
            undone = None if shift is None else Shift(*shift)
            return ScoredPair(pair, scores, error, tuple(tiles), undone)
    return None


def _stamp(pair: Pair) -> list[Any]:
    """Names, sizes and modification times of a pair's files."""
    files = pair.reference_file, pair.distorted_file, pair.mask_file
    return [pair.reference, pair.distorted, pair.mask, *map(storage.stamp, files)]


@contextlib.contextmanager
def open_journal(
    table: str | os.PathLike[str],
    pairs: Sequence[Pair],
    run: Mapping[str, Any],
    process: int = 0,
) -> Iterator[Journal]:
    """The journal of a table. If the context ends without an error, process 0 deletes all files.

    Args:
        table: the table that is being written.
        pairs: its pairs.
        run: what the scores depend on besides the files. Scores of another run are dropped.
        process: index of this process among those that write the table.

    Raises:
        InputError: the file cannot be written, or another run is writing the table.
    """
    target = Path(table)
    mine = f"-{process}" if process else ""
    path = target.with_name(f".{target.name}.partial{mine}")
    lock = target.with_name(f".{target.name}{mine}.lock")
    pattern = f".{glob.escape(target.name)}.partial*"
    refusal = f"{table}: another run is writing this table; wait for it, or name another output"
    with contextlib.ExitStack() as stack:
        with _written(path):
            stack.enter_context(storage.exclusive(lock, refusal, remove=True))
            journal = Journal(path, pattern, pairs, run)
        stack.callback(journal.close)
        yield journal
        if not process:
            journal.remove()


@contextlib.contextmanager
def _written(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(
            f"{path}: cannot be written ({error.strerror or error}); earlier scores are "
            "kept; run the same command again to continue"
        ) from None


def describe_run(
    metrics: Sequence[Metric], loading: Loading, tiles: Tiles | None = None
) -> dict[str, Any]:
    """What scores depend on besides the files: versions, metrics, loading options and tiles."""
    models = {metric.name: [version_of(metric), protocol_text(metric)] for metric in metrics}
    return {
        "package": __version__,
        "metrics": models,
        "loading": dataclasses.asdict(loading),
        "tiles": tiles,
    }
