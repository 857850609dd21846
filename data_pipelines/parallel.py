"""Independent jobs over all cores, in fresh processes."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

Job = TypeVar("Job")
Result = TypeVar("Result")


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run(
    function: Callable[[Job], Result], jobs: Sequence[Job], workers: int | None = None
) -> Iterator[Result]:
    """Results as they come, in any order; one worker runs here, more run in spawned processes.

    Args:
        function: importable (it is pickled by name), pure in its job.
        jobs: picklable arguments.
        workers: processes; None for one per core.
    """
    workers = min(workers or cores(), len(jobs))
    if workers <= 1:
        yield from map(function, jobs)
        return
    with multiprocessing.get_context("spawn").Pool(workers, _one_thread) as pool:
        yield from pool.imap_unordered(function, jobs)


def _one_thread() -> None:
    import cv2

    cv2.setNumThreads(1)
