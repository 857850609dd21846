"""Runs independent jobs on all cores, in fresh processes."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

Job = TypeVar("Job")
Result = TypeVar("Result")


def cores() -> int:
    """Number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run(
    function: Callable[[Job], Result], jobs: Sequence[Job], workers: int | None = None
) -> Iterator[Result]:
    """Yields results in any order. One worker runs here; several are spawned processes.

    Args:
        function: an importable function (it is pickled by name) without side effects on others.
        jobs: its picklable arguments.
        workers: number of processes; one per core by default.
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
