"""The processes of one run: how they find one another, start and end together.

Every process runs the same command. Process 0 is the coordinator: the others connect to it, agree
on who takes part, and learn through it when one of them fails. Arrays never pass through it.

The processes of a training run depend on one another in every step, and all end when one is lost.
Those that score a table do not: they continue as long as process 0 does.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from gsn_jax.errors import InputError

# How long to wait for all processes to connect.
START_SECONDS = 300
# A process silent for this long is considered dead, and the others exit.
SILENCE_SECONDS = 30
# How long a failed process waits for the others before it exits.
PARTING_SECONDS = 10

# Exit codes: the run's own failure, wrong input, and another process lost (sysexits' EX_TEMPFAIL:
# nothing is wrong with the command; start all processes again).
FAILED, WRONG_INPUT, LOST = 1, 2, 75

START_AGAIN = "start all processes again to continue"


@dataclasses.dataclass(frozen=True)
class ProcessGroup:
    """How this process finds the others.

    Attributes:
        source: where the group comes from, e.g. "Slurm", or "flags".
        coordinator: HOST:PORT of process 0; None if JAX reads it from the environment.
        count: number of processes; None likewise.
        index: number of this process; None likewise.
    """

    source: str
    coordinator: str | None = None
    count: int | None = None
    index: int | None = None

    def __str__(self) -> str:
        if self.count is None:
            return f"{self.source} processes"
        return f"{self.count} processes with coordinator {self.coordinator}"


def find_group(
    coordinator: str | None = None,
    processes: int | None = None,
    process_id: int | None = None,
    environ: Mapping[str, str] = os.environ,
) -> ProcessGroup | None:
    """The group given by flags or else by the environment; None for a process on its own.

    Args:
        coordinator: HOST:PORT of process 0.
        processes: number of processes; 1 runs this one alone, whatever the environment says.
        process_id: number of this process, from 0.
        environ: the environment variables.

    Raises:
        InputError: flags are missing, invalid or contradictory.
    """
    flags = {"--coordinator": coordinator, "--processes": processes, "--process-id": process_id}
    if processes == 1 and not process_id:
        return None
    missing = [name for name, value in flags.items() if value is None]
    if len(missing) == len(flags):
        source = _environment(environ)
        return ProcessGroup(source) if source else None
    if coordinator is None or processes is None or process_id is None:
        raise InputError(
            f"--coordinator, --processes and --process-id go together; {' and '.join(missing)} "
            f"{'is' if len(missing) == 1 else 'are'} missing"
        )
    if not re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[^:\s]+):\d{1,5}", coordinator):
        raise InputError(f"--coordinator: must be HOST:PORT, got {coordinator!r}")
    if processes < 1:
        raise InputError(f"--processes: must be at least 1, got {processes}")
    if not 0 <= process_id < processes:
        raise InputError(
            f"--process-id: must be at least 0 and less than --processes {processes}, "
            f"got {process_id}"
        )
    return ProcessGroup("flags", coordinator, processes, process_id)


def _environment(environ: Mapping[str, str]) -> str | None:
    """The scheduler or platform that runs several processes, judged by the environment.

    JAX itself finds the coordinator and the numbers of the processes. But without a group,
    `jax.distributed.initialize` fails, and the supervising process never imports JAX.
    """

    def several(name: str) -> bool:
        return environ.get(name, "1") not in ("0", "1")

    if "SLURM_STEP_NODELIST" in environ and several("SLURM_NTASKS"):
        return "Slurm"
    if several("OMPI_COMM_WORLD_SIZE"):
        return "Open MPI"
    if "," in environ.get("TPU_WORKER_HOSTNAMES", "") + environ.get("TPU_PROCESS_ADDRESSES", ""):
        return "Cloud TPU"
    if "KUBERNETES_SERVICE_HOST" in environ and "JOB_COMPLETION_INDEX" in environ:
        return "Kubernetes"
    platforms = environ.get("JAX_PLATFORMS", "tpu").split(",")
    if "tpu" in platforms and any(Path("/dev").glob("accel[0-9]*")):
        return "Cloud TPU"  # one host or several: the machine's own metadata says which
    return None


def join(
    group: ProcessGroup, start_seconds: int = START_SECONDS, *, independent: bool = False
) -> None:
    """Connects to the other processes; must be called before anything runs on a device.

    Args:
        group: see `find_group`.
        start_seconds: how long to wait for all processes.
        independent: whether this process continues when another one is lost.

    Raises:
        InputError: the coordinator cannot be reached in time, or the environment does not say
            enough. If other processes do not appear, JAX ends this process instead.
    """
    import jax

    # Needed for collectives between processes on CPUs; other devices ignore it.
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    # We handle SIGTERM ourselves, see the modules `interruption`.
    jax.config.update("jax_enable_preemption_service", False)
    jax.config.update("jax_enable_recoverability", independent)
    if group.index:
        _reach(group, start_seconds)
    try:
        jax.distributed.initialize(
            group.coordinator,
            group.count,
            group.index,
            cluster_detection_method="deactivate" if group.source == "flags" else None,
            initialization_timeout=start_seconds,
            heartbeat_timeout_seconds=SILENCE_SECONDS,
        )
    except (ValueError, RuntimeError, KeyError, OSError) as error:
        raise InputError(
            f"the {group} cannot connect to each other ({_first_line(error)}); give --coordinator, "
            "--processes and --process-id, or --processes 1 to run alone"
        ) from error


def _reach(group: ProcessGroup, seconds: int) -> None:
    """Waits until the coordinator listens; JAX itself would end the process with a stack trace."""
    host, _, port = str(group.coordinator).rpartition(":")
    deadline = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()
            return
        except (OSError, OverflowError) as error:
            if time.monotonic() > deadline:
                raise InputError(
                    f"process {group.index}: the coordinator {group.coordinator} could not be "
                    f"reached within {seconds} s ({error}); is process 0 running there, and the "
                    "port open?"
                ) from None
        time.sleep(0.2)


@contextlib.contextmanager
def joined(
    group: ProcessGroup | None,
    *,
    start_seconds: int = START_SECONDS,
    independent: bool = False,
    on_joined: Callable[[], None] = lambda: None,
) -> Iterator[None]:
    """Context that all processes run together; does nothing for a process on its own.

    An error in it is printed and ends the process with its exit code, within `PARTING_SECONDS`: a
    normal exit would wait for processes that wait for this one.

    Args:
        group: see `find_group`.
        start_seconds: how long to wait for all processes.
        independent: see `join`; only process 0 then continues after the context, and the others
            exit with code 0.
        on_joined: called when all processes are connected.
    """
    if group is None:
        yield
        return
    import jax

    try:
        join(group, start_seconds, independent=independent)
        on_joined()
        yield
    except BaseException as error:
        code = _report(error)
        sys.stdout.flush()
        sys.stderr.flush()
        parting = threading.Thread(target=jax.distributed.shutdown, daemon=True)
        parting.start()
        parting.join(0 if code == LOST else PARTING_SECONDS)
        os._exit(code)
    if independent and not is_first():
        # A client that shuts down later than process 0, its server, would be aborted.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
    jax.distributed.shutdown()


def _report(error: BaseException) -> int:
    """Prints what went wrong, and returns the exit code."""
    if isinstance(error, InputError):
        print(f"gsn: {error}", file=sys.stderr)
        return WRONG_INPUT
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else FAILED
    if is_lost_connection(error):
        print(
            f"gsn: the connection to another process was lost ({_first_line(error)}); "
            f"{START_AGAIN}",
            file=sys.stderr,
        )
        return LOST
    traceback.print_exception(error)
    return FAILED


def is_lost_connection(error: BaseException) -> bool:
    """Whether a runtime error means that another process no longer answers."""
    words = r"gloo|nccl|coordination|heartbeat|barrier|unavailable|connection (reset|closed)|peer"
    return isinstance(error, (RuntimeError, ValueError)) and bool(
        re.search(words, str(error), re.IGNORECASE)
    )


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


def is_first() -> bool:
    """Whether this process writes the logs and small files."""
    import jax

    return jax.process_index() == 0


def wait_for_living() -> list[int]:
    """Waits until every living process has called it, and returns their numbers.

    For independent processes, see `join`. One that is silent for `SILENCE_SECONDS` counts as dead.
    """
    import jax
    from jax.experimental import multihost_utils

    living: list[int] = []
    # A process that dies just after its call has finished its work.
    with (
        contextlib.suppress(multihost_utils.ProcessFailureError),
        multihost_utils.live_devices(jax.devices()) as devices,
    ):
        living = sorted({device.process_index for device in devices})
    return living


def anywhere(value: bool) -> bool:
    """Whether the value is true in any process; all processes must call it."""
    import jax
    import numpy as np
    from jax.experimental import multihost_utils

    if jax.process_count() == 1:
        return value
    return bool(multihost_utils.process_allgather(np.asarray(value)).any())


def differing(digest: bytes) -> list[int]:
    """The processes whose digest differs from that of process 0; all processes must call it."""
    import jax
    import numpy as np
    from jax.experimental import multihost_utils

    if jax.process_count() == 1:
        return []
    found = multihost_utils.process_allgather(np.frombuffer(digest, np.uint8))
    return np.flatnonzero((found != found[0]).any(axis=1)).tolist()


def wait_for_all(name: str) -> None:
    """Returns when every process has called it."""
    import jax
    from jax.experimental import multihost_utils

    if jax.process_count() > 1:
        multihost_utils.sync_global_devices(name)
