"""Who takes part in a run, and what a process says when it cannot."""

import signal
import subprocess
import sys

import ports
import pytest

from gsn_jax.cli import supervision
from gsn_jax.devices import distributed
from gsn_jax.devices.distributed import ProcessGroup, find_group
from gsn_jax.errors import InputError

SLURM = {"SLURM_STEP_NODELIST": "n[1-2]", "SLURM_NTASKS": "2"}
TPU = {"JAX_PLATFORMS": "cpu", "TPU_WORKER_HOSTNAMES": "a,b"}
ALONE = {"JAX_PLATFORMS": "cpu"}


@pytest.mark.parametrize(
    ("environ", "source"),
    [
        (SLURM, "Slurm"),
        ({"OMPI_COMM_WORLD_SIZE": "4", **ALONE}, "Open MPI"),
        (TPU, "Cloud TPU"),
        ({"KUBERNETES_SERVICE_HOST": "h", "JOB_COMPLETION_INDEX": "0", **ALONE}, "Kubernetes"),
    ],
)
def test_a_scheduler_names_the_group(environ, source):
    assert find_group(environ=environ) == ProcessGroup(source)
    assert find_group(processes=1, environ=environ) is None


@pytest.mark.parametrize(
    "environ",
    [
        ALONE,
        {**SLURM, "SLURM_NTASKS": "1", **ALONE},
        {"SLURM_NTASKS": "2", **ALONE},  # a batch script outside srun
        {"OMPI_COMM_WORLD_SIZE": "1", **ALONE},
        {"TPU_WORKER_HOSTNAMES": "localhost", **ALONE},
        {"KUBERNETES_SERVICE_HOST": "h", **ALONE},
    ],
)
def test_a_process_on_its_own(environ):
    assert find_group(environ=environ) is None


def test_flags_go_before_the_environment():
    assert find_group("h:1", 3, 2, SLURM) == ProcessGroup("flags", "h:1", 3, 2)
    assert find_group("[::1]:80", 2, 0, {}).coordinator == "[::1]:80"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("h:1", None, None), "--processes and --process-id are missing"),
        ((None, 2, 0), "--coordinator is missing"),
        ((None, 1, 1), "--coordinator is missing"),
        (("h", 2, 0), "must be HOST:PORT, got 'h'"),
        (("h:x", 2, 0), "must be HOST:PORT"),
        (("h:1", 0, 0), "--processes: must be at least 1"),
        (("h:1", 2, 2), "--process-id: must be at least 0 and less than --processes 2"),
        (("h:1", 2, -1), "--process-id: must be at least 0 and less than --processes 2"),
    ],
)
def test_flags_that_do_not_fit_together(flags, message):
    with pytest.raises(InputError, match=message):
        find_group(*flags, {})


@pytest.fixture
def closed_port():
    with ports.reserve() as reserved:
        yield reserved.getsockname()[1]


@pytest.mark.slow
def test_a_coordinator_that_is_not_there(closed_port, tmp_path):
    """In real processes: one line, exit code 2, no stack trace; the flags may be variables."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "gsn_jax", "train", "--config", "default"),
            *("--workdir", str(tmp_path / "w"), "--config.data.train=x.csv"),
            *("--coordinator", f"127.0.0.1:{closed_port}", "--processes", "2"),
            *("--process-id", "1", "--start-timeout", "1"),
        ],
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("gsn: process 1: the coordinator 127.0.0.1:")
    assert "could not be reached within 1 s" in done.stderr
    assert len(done.stderr.splitlines()) == 1


GROUP = ProcessGroup("flags", "h:1", 4, 3)


@pytest.mark.parametrize(
    ("code", "joined", "stopped", "want", "line"),
    [
        (0, True, False, 0, None),
        (2, False, False, 2, None),
        (75, True, False, 75, None),
        (-signal.SIGABRT, True, False, 75, "process 3 of 4 ended because another process"),
        (-signal.SIGABRT, False, False, 2, "did not connect to each other within 9 s"),
        (-signal.SIGKILL, True, False, 137, "killed by SIGKILL .out of memory, or a scheduler"),
        (-signal.SIGSEGV, True, True, 139, "killed by SIGSEGV"),
        (-signal.SIGTERM, False, True, 0, "SIGTERM before the start; nothing to save"),
        (-signal.SIGTERM, True, False, 143, "killed by SIGTERM"),
    ],
)
def test_the_last_word_of_the_watching_process(code, joined, stopped, want, line):
    exit_code, said = supervision._verdict(code, GROUP, 9, joined=joined, stopped=stopped)
    assert exit_code == want
    if line is None:
        assert said is None
    else:
        assert line.replace(".", "(") in said


@pytest.mark.parametrize(
    ("error", "lost"),
    [
        (ValueError("UNKNOWN: Gloo all-reduce failed: Connection closed by peer"), True),
        (RuntimeError("NCCL operation failed"), True),
        (RuntimeError("UNAVAILABLE: the coordination service"), True),
        (RuntimeError("RESOURCE_EXHAUSTED: Out of memory"), False),
        (KeyError("peer"), False),
    ],
)
def test_errors_that_say_that_another_process_is_gone(error, lost):
    assert distributed.is_lost_connection(error) is lost
