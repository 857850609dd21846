"""Scores a unit: reads its images, with retries on possibly temporary errors, and scores them."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import functools
import json
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gsn_jax import storage
from gsn_jax.errors import InputError
from gsn_jax.images.files import MAX_PIXELS, Alpha
from gsn_jax.scoring import by_name, many_pairs
from gsn_jax.scoring.journal import describe_run
from gsn_jax.scoring.pairs import Loading, Pair, Resize
from gsn_jax.scoring.protocol import Luma, Protocol, described
from gsn_jax.scoring.tables import versions
from gsn_jax.serving.beam import files
from gsn_jax.serving.beam.units import KeptUnits, Task

# Seconds to wait before a file is read again after an error that may be temporary.
WAITS = (1.0, 5.0)

# Errors that may be temporary: of a mounted file system, a network, or a lack of handles.
_TEMPORARY = frozenset(
    {
        errno.EAGAIN,
        errno.EBUSY,
        errno.ECONNABORTED,
        errno.ECONNREFUSED,
        errno.ECONNRESET,
        errno.EHOSTUNREACH,
        errno.EINTR,
        errno.EIO,
        errno.EMFILE,
        errno.ENETDOWN,
        errno.ENETRESET,
        errno.ENETUNREACH,
        errno.ENFILE,
        errno.ENOMEM,
        errno.ENOTCONN,
        errno.ESTALE,
        errno.ETIMEDOUT,
    }
)


@dataclasses.dataclass(frozen=True)
class Settings:
    """Metrics and loading options: plain values, which are sent to the workers.

    Attributes:
        metrics: names of the metrics.
        checkpoint: folder of the model for gsn, readable by every worker; None for the shipped one.
        alpha: see `gsn_jax.images.load_image`.
        max_pixels: see `gsn_jax.images.load_image`.
        resize: see `gsn_jax.scoring.pairs.Loading`.
        luma: see `gsn_jax.scoring.protocol.Protocol`.
        crop_border: see `gsn_jax.scoring.protocol.Protocol`.
    """

    metrics: tuple[str, ...]
    checkpoint: str | None = None
    alpha: Alpha = "refuse"
    max_pixels: int = MAX_PIXELS
    resize: Resize | None = None
    luma: Luma | None = None
    crop_border: int = 0

    @property
    def protocol(self) -> Protocol:
        """What the metrics see of an image."""
        return Protocol(self.luma, self.crop_border)

    @property
    def loading(self) -> Loading:
        """How files become pairs of images."""
        return Loading(self.alpha, self.max_pixels, self.resize)


@dataclasses.dataclass(frozen=True)
class _PatientLoading(Loading):
    """`Loading` that retries errors that may be temporary."""

    def load(self, path: Path) -> np.ndarray:
        return patiently(functools.partial(super().load, path))


def patiently(read: Callable[[], Any]) -> Any:
    """The result of `read()`, retried after `WAITS` on errors that may be temporary."""
    for wait in WAITS:
        try:
            return read()
        except Exception as error:
            if not _may_be_temporary(error):
                raise
            time.sleep(wait)
    return read()


def _may_be_temporary(error: BaseException | None) -> bool:
    """Whether this error, or one that led to it, is a temporary system error."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _TEMPORARY:
            return True
        error = error.__cause__ or error.__context__
    return False


class Scorer:
    """Models and options of a worker process, shared by its threads."""

    def __init__(self, settings: Settings):
        """Loads the models.

        Raises:
            InputError: a metric is not known, or a model cannot be read.
        """
        metrics = by_name.resolve_all(settings.metrics, settings.checkpoint)
        self._metrics = [settings.protocol.of(metric) for metric in metrics]
        plain = settings.loading
        self._loading = _PatientLoading(**dataclasses.asdict(plain))
        self.run = json.dumps(describe_run(self._metrics, plain), sort_keys=True)
        self._versions = json.dumps(versions(self._metrics))
        self._protocol = json.dumps(described(settings.protocol, self._loading))
        # A unit uses all cores; two at once would need twice the memory.
        self._one_at_a_time = threading.Lock()

    def score(self, name: str, tasks: Sequence[Task], kept: KeptUnits) -> list[dict[str, Any]]:
        """The rows of a unit, in the order of its pairs. Stored scores are not computed again."""
        with self._one_at_a_time:
            tasks = list(tasks)
            scores = kept.load(name, tasks)
            errors = dict.fromkeys(scores, "")
            missing = [task for task in tasks if task.row not in scores]
            for task, found, error in self._score(missing):
                scores[task.row], errors[task.row] = found, error
            if missing:
                good = {row: found for row, found in scores.items() if not errors[row]}
                kept.save(name, tasks, good)
        return [self._row(task, scores[task.row], errors[task.row]) for task in tasks]

    def _score(self, tasks: Sequence[Task]) -> Iterator[tuple[Task, dict[str, float], str]]:
        with _fetched(tasks) as (pairs, named):
            for index, scored in many_pairs.score_unordered(pairs, self._metrics, self._loading):
                yield tasks[index], scored.scores, named(scored.error)

    def _row(self, task: Task, scores: dict[str, float], error: str) -> dict[str, Any]:
        return {
            "row": task.row,
            "reference": task.reference,
            "distorted": task.distorted,
            **{metric.name: scores.get(metric.name) for metric in self._metrics},
            "error": error,
            "versions": self._versions,
            "protocol": self._protocol,
        }


@contextlib.contextmanager
def _fetched(tasks: Sequence[Task]) -> Iterator[tuple[list[Pair], Callable[[str], str]]]:
    """Yields pairs with local copies of remote files, and a function that restores their names."""
    with tempfile.TemporaryDirectory(prefix="gsn-") as folder:
        copies: dict[str, Path] = {}
        problems: dict[str, str] = {}
        for path in dict.fromkeys(p for task in tasks for p in task[3:5] if storage.is_url(p)):
            copies[path] = Path(folder) / f"{len(copies):06d}"
            try:
                patiently(functools.partial(files.fetch, path, copies[path]))
            except InputError as error:
                problems[path] = str(error)
            except Exception as error:
                reason = "no such file" if isinstance(error, FileNotFoundError) else error
                problems[path] = f"{path}: cannot be read ({reason})"

        def local(path: str) -> Path:
            return copies[path] if path in copies else Path(path)

        def named(text: str) -> str:
            for path, copy in copies.items():
                text = text.replace(str(copy), path)
            return text

        yield [_pair(task, local, problems) for task in tasks], named


def _pair(task: Task, local: Callable[[str], Path], problems: dict[str, str]) -> Pair:
    paths = task.reference_file, task.distorted_file
    problem = task.problem or next((problems[path] for path in paths if path in problems), "")
    if problem:
        return Pair(task.reference, task.distorted, None, None, problem)
    return Pair(task.reference, task.distorted, local(paths[0]), local(paths[1]))
