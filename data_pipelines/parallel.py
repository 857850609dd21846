"""Runs independent jobs on all cores, in fresh processes."""

from __future__ import annotations

import concurrent.futures
import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from gsn_jax.errors import InputError

Job = TypeVar("Job")
Result = TypeVar("Result")


def cores() -> int:
    """Number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run(
    function: Callable[[Job], Result], jobs: Sequence[Job], workers: int | None = None
) -> Iterator[Result]:
    """Yields results in any order. One worker runs here; several are spawned processes.

    When the caller stops, the jobs that wait are not begun.

    Args:
        function: an importable function (it is pickled by name) without side effects on others.
        jobs: its picklable arguments.
        workers: number of processes; one per core by default.

    Raises:
        InputError: a process was killed.
    """
    workers = min(workers or cores(), len(jobs))
    if workers <= 1:
        yield from map(function, jobs)
        return
    executor = concurrent.futures.ProcessPoolExecutor(
        workers, multiprocessing.get_context("spawn"), _begin
    )
    try:
        futures = [executor.submit(function, job) for job in jobs]
        for future in concurrent.futures.as_completed(futures):
            yield future.result()
    except BrokenProcessPool:
        raise InputError(
            "a worker process has ended (no memory left?); run again with fewer --workers"
        ) from None
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


def _begin() -> None:
    """Starts a worker of one thread: Ctrl-C is the parent's, and it ends with the parent."""
    import cv2

    cv2.setNumThreads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    sentinel = parent.sentinel

    def watch() -> None:
        multiprocessing.connection.wait([sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
