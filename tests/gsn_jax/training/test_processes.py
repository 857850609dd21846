"""Real processes on the loopback: any number of them gives the same run, and one may die.

With four devices together, whatever the number of processes.

GSN_PROCESS_STEPS=50 makes the runs longer.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from tensorboard_reader import read_scalars
from virtual_devices import xla_flags

from gsn_jax.training.history import read_evaluations

STEPS = int(os.environ.get("GSN_PROCESS_STEPS", "8"))
DEVICES = 4
PATIENCE = 500  # seconds; only so that a hang ends

# The configuration is code: here it also makes one process wait, so that it can be hit there.
CONFIG = """
import json, os, time
from ml_collections import ConfigDict
from gsn_jax.training.progress import TrainingLog

real = TrainingLog.advance
wait = os.environ.get("WAIT", "").split(":")

def advance(self, step):
    real(self, step)
    if wait == [os.environ.get("JAX_PROCESS_ID"), str(step)]:
        while not os.path.exists(os.environ["GO_ON"]):
            time.sleep(0.05)

TrainingLog.advance = advance

def get_config():
    return ConfigDict(json.loads({json!r}))
"""


class Group:
    """The processes of one run, which end with the block."""

    def __init__(
        self,
        config: Path,
        workdir: Path,
        count: int,
        wait: str = "",
        options: dict[int, list[str]] | None = None,
    ):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        command = [sys.executable, "-m", "gsn_jax", "train", "--config", config]
        self.workdir = workdir
        self.go_on = workdir.with_name(f"{workdir.name}.go_on")
        self.logs = [workdir.with_name(f"{workdir.name}.{index}.log") for index in range(count)]
        self.processes = []
        self.commands = []
        for index, log in enumerate(self.logs):
            environ = {
                **os.environ,
                "XLA_FLAGS": xla_flags(DEVICES // count),
                "JAX_COORDINATOR_ADDRESS": f"127.0.0.1:{port}",
                "JAX_NUM_PROCESSES": str(count),
                "JAX_PROCESS_ID": str(index),
                "WAIT": wait,
                "GO_ON": str(self.go_on),
            }
            arguments = [*command, "--workdir", workdir, *(options or {}).get(index, [])]
            self.commands.append((arguments, environ))
            with open(log, "w") as file:
                self.processes.append(
                    subprocess.Popen(arguments, env=environ, stdout=file, stderr=file)
                )

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        for process in self.processes:
            process.kill()
            process.wait()

    def reach(self, step: int) -> None:
        """Returns when the checkpoint of a step is complete."""
        deadline = time.monotonic() + PATIENCE
        while not (self.workdir / "checkpoints" / str(step)).exists():
            assert all(process.poll() is None for process in self.processes), self.said(0)
            assert time.monotonic() < deadline, self.said(0)
            time.sleep(0.1)

    def start_late(self, index: int) -> subprocess.CompletedProcess:
        """One more process with the number of another."""
        arguments, environ = self.commands[index]
        return subprocess.run(
            arguments, env=environ, capture_output=True, text=True, timeout=PATIENCE, check=False
        )

    def codes(self, seconds: float = PATIENCE) -> list[int]:
        """The exit codes, once all have ended."""
        return [process.wait(seconds) for process in self.processes]

    def said(self, index: int) -> str:
        return self.logs[index].read_text()


def finish(config: Path, workdir: Path, count: int) -> Path:
    with Group(config, workdir, count) as group:
        assert group.codes() == [0] * len(group.processes), group.said(0)
    return group.workdir


def losses(workdir: Path) -> list[float]:
    """The loss of every step; of a step that was repeated, the later one."""
    found = dict(read_scalars(workdir / "tensorboard")["train/loss"])
    return [found[step] for step in sorted(found)]


@pytest.fixture
def file(config, tmp_path):
    config.train.steps = STEPS
    config.train.log_every = 1
    config.train.checkpoint_every = config.train.eval_every = 2
    path = tmp_path / "config.py"
    path.write_text(CONFIG.replace("{json!r}", repr(config.to_json())))
    return path


@pytest.mark.slow
def test_interrupted_processes_end_as_a_process_that_nobody_interrupts(file, tmp_path):
    """SIGTERM to both, kill -9 of one, and the last steps by one process.

    Steps 1 to 6 and their evaluations are those of two processes.
    """
    run = tmp_path / "run"
    # Process 1 waits at step 3. Both save the same step and exit 0.
    with Group(file, run, 2, wait="1:3") as group:
        group.reach(2)
        # Somebody who joins now is refused, and the group goes on.
        late = group.start_late(1)
        assert late.returncode == 2, late.stderr
        assert late.stderr.startswith(f"gsn: --workdir {run}: another training is running in this")
        for process in group.processes:
            process.send_signal(signal.SIGTERM)
        group.go_on.touch()
        assert group.codes() == [0, 0], group.said(0)
    assert "SIGTERM: saved step" in group.said(0)
    # Process 1 waits at step 7, and is killed there, after the checkpoint of step 6.
    group.go_on.unlink()
    with Group(file, run, 2, wait="1:7") as group:
        group.reach(6)
        group.processes[1].send_signal(signal.SIGKILL)
        assert group.processes[0].wait(60) == 75, group.said(0)
    last = group.said(0).splitlines()[-1]
    assert last.startswith("gsn: ")
    assert "start all processes again" in last
    finish(file, run, 1)
    whole = finish(file, tmp_path / "whole", 1)
    assert len(losses(whole)) == STEPS
    np.testing.assert_allclose(losses(run), losses(whole), rtol=1e-5)
    evaluations = read_evaluations(run)
    assert [row["step"] for row in evaluations] == list(range(2, STEPS + 1, 2))
    for row, want in zip(evaluations, read_evaluations(whole), strict=True):
        assert row == pytest.approx(want, rel=1e-5)


@pytest.mark.slow
def test_processes_with_different_configurations_are_refused(file, tmp_path):
    with Group(file, tmp_path / "run", 2, options={1: ["--config.loss.alpha=3"]}) as group:
        assert group.codes() == [2, 2], group.said(0)
    for index in (0, 1):
        assert "gsn: process 1 has another configuration than process 0" in group.said(index)
    assert not (tmp_path / "run").exists()
