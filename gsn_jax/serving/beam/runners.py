"""Runs the pipeline: on a cluster, in this process, or in local worker processes.

Clusters retry the work of a worker that died. Beam's local runner does not: it waits for ever for
the dead process. So it runs in a process of its own (`python -m gsn_jax.serving.beam.runners`),
which exits when one of its workers dies, and is then restarted.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from typing import IO, Any

import apache_beam as beam
from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions, StandardOptions
from apache_beam.runners.runner import PipelineState

from gsn_jax.errors import InputError
from gsn_jax.serving.beam import files
from gsn_jax.serving.beam.pipeline import Job, build
from gsn_jax.serving.beam.worker import Settings

# Maximum number of times that a local run is started.
ATTEMPTS = 4

# Exit code of the runner's process when a worker has died.
_WORKER_DIED = 75

# Marks the line of its log that is shown to the user.
_SAYS = "gsn: "

_LOCAL = ("", "directrunner", "direct", "fnapirunner")


def parse_options(texts: Sequence[str]) -> list[str]:
    """Beam's flags from texts like `KEY=VALUE` or `KEY`. Local workers are processes by default.

    Raises:
        InputError: a text has no valid key.
    """
    flags = []
    for text in texts:
        key = text.removeprefix("--").partition("=")[0]
        if not key.replace("-", "_").isidentifier():
            raise InputError(f"--beam-option {text}: give KEY=VALUE, e.g. direct_num_workers=4")
        flags.append(f"--{text.removeprefix('--')}")
    named = {flag.partition("=")[0] for flag in flags}
    if "--direct_num_workers" in named and "--direct_running_mode" not in named:
        flags.append("--direct_running_mode=multi_processing")
    return flags


def run(job: Job, flags: Sequence[str], say: Callable[[str], None]) -> str:
    """Runs a pipeline until it is done.

    Args:
        job: the work.
        flags: Beam's options, see `parse_options`.
        say: called with messages for the user.

    Returns:
        The folder with the output, below the job's `shards`.

    Raises:
        InputError: the pipeline has failed.
    """
    options = PipelineOptions(list(flags))
    local = (options.view_as(StandardOptions).runner or "").lower() in _LOCAL
    if local and options.view_as(DirectOptions).direct_running_mode == "multi_processing":
        return _run_supervised(job, flags, say)
    attempt = _attempt(job, 1)
    _run_here(attempt, options, local)
    return attempt.shards


def _attempt(job: Job, number: int) -> Job:
    """The job with an output folder for this attempt alone, where failed ones leave nothing."""
    return dataclasses.replace(job, shards=files.join(job.shards, f"attempt-{number}"))


def _run_here(job: Job, options: PipelineOptions, local: bool) -> None:
    try:
        pipeline = beam.Pipeline(runner=_local_runner(options) if local else None, options=options)
        build(pipeline, job)
        state = pipeline.run().wait_until_finish()
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"the Beam pipeline failed: {_reason(error)}") from error
    if state not in (None, PipelineState.DONE):
        raise InputError(f"the Beam pipeline ended in state {state}; see its runner's log")


def _local_runner(options: PipelineOptions) -> Any:
    """Beam's Python runner; "DirectRunner" would first search the network for another one."""
    from apache_beam.portability.api import beam_provision_api_pb2
    from apache_beam.runners.portability.fn_api_runner import fn_runner
    from apache_beam.runners.portability.portable_runner import JobServiceHandle

    encoded = JobServiceHandle.encode_pipeline_options(options.get_all_options())
    info = beam_provision_api_pb2.ProvisionInfo(pipeline_options=encoded)
    return fn_runner.FnApiRunner(provision_info=fn_runner.ExtendedProvisionInfo(info))


def _reason(error: Exception) -> str:
    """The last line of an error's text, where Beam states the cause."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[-1] if lines else type(error).__name__)[:400]


def _run_supervised(job: Job, flags: Sequence[str], say: Callable[[str], None]) -> str:
    """A local run in a process group of its own, which is restarted when a worker dies."""
    handle, log = tempfile.mkstemp(prefix="gsn-beam-", suffix=".log")
    told = False
    try:
        with open(handle, "wb") as file:
            for attempt in range(1, ATTEMPTS + 1):
                started = _attempt(job, attempt)
                order = json.dumps({"job": dataclasses.asdict(started), "flags": list(flags)})
                code = _wait_for(_command(order), file)
                if code == 0:
                    return started.shards
                if code > 0 and code != _WORKER_DIED:
                    told = True
                    raise InputError(f"{_last_words(log)}; the whole log is in {log}")
                if attempt < ATTEMPTS:
                    say("a worker died; restarting the run, finished scores are kept")
        told = True
        raise InputError(
            f"a worker died in each of {ATTEMPTS} attempts, probably out of memory (log: {log}); "
            "run the command again with fewer workers to continue"
        )
    finally:
        if not told:
            os.unlink(log)


def _command(order: str) -> list[str]:
    return [sys.executable, "-m", "gsn_jax.serving.beam.runners", order]


def _wait_for(command: Sequence[str], log: IO[bytes]) -> int:
    """Runs a process and returns its exit code. Child processes that outlive it are killed."""
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True
    ) as child:
        try:
            return child.wait()
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)


def _last_words(log: str) -> str:
    """The reason that the process has written into its log."""
    with open(log, encoding="utf-8", errors="replace") as file:
        lines = [line.removeprefix(_SAYS).strip() for line in file if line.startswith(_SAYS)]
    return lines[-1] if lines else "the Beam pipeline failed"


def main() -> None:
    """Entry point of the process of a local run."""
    order = json.loads(sys.argv[1])
    fields = order["job"]
    settings = Settings(**fields.pop("settings"))
    settings = dataclasses.replace(settings, metrics=tuple(settings.metrics))
    job = Job(settings=settings, **fields)
    threading.excepthook = _end_with_worker
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        _run_here(job, PipelineOptions(order["flags"]), local=True)
    except InputError as error:
        print(f"{_SAYS}{error}", file=sys.stderr, flush=True)
        os._exit(1)
    # Threads of Beam may still be waiting.
    os._exit(0)


def _end_with_worker(happened: threading.ExceptHookArgs) -> None:
    if "Worker subprocess exited" in str(happened.exc_value):
        os._exit(_WORKER_DIED)
    threading.__excepthook__(happened)


def _end_with_parent() -> None:
    """Ends this process group with its parent: standard input closes when the parent has ended."""
    sys.stdin.buffer.read()
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()
