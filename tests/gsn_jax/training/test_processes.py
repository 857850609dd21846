"""Real processes on the loopback: any number of them gives the same run, and one may die.

With eight devices together, whatever the number of processes, as in this one.

GSN_PROCESS_STEPS=50 makes the runs longer.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from unittest import mock

import jax
import numpy as np
import ports
import pytest
from command_line import run
from tensorboard_reader import read_scalars
from virtual_devices import xla_flags

from gsn_jax.cli import supervision
from gsn_jax.training.history import read_evaluations
from gsn_jax.training.loop import train

pytestmark = pytest.mark.usefixtures("shared_programs")

STEPS = int(os.environ.get("GSN_PROCESS_STEPS", "8"))
PATIENCE = 500  # seconds; only so that a hang ends

# The configuration is code: here it also makes one process wait, until it is told to stop.
CONFIG = """
import json, os, time
from ml_collections import ConfigDict
from gsn_jax.devices import distributed
from gsn_jax.training.interruption import StopRequest
from gsn_jax.training.progress import TrainingLog

distributed.SILENCE_SECONDS = 10  # the configuration is read before the processes come together
real_advance, real_remember = TrainingLog.advance, StopRequest._remember
signals = []

def remember(self, number, frame):
    real_remember(self, number, frame)
    signals.append(number)

def advance(self, step):
    real_advance(self, step)
    if os.environ["WAIT"] == f"{os.environ['JAX_PROCESS_ID']}:{step}":
        while not signals:
            time.sleep(0.05)

TrainingLog.advance, StopRequest._remember = advance, remember

def get_config():
    return ConfigDict(json.loads(CONFIGURATION))
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
        self.reserved = ports.reserve()
        port = self.reserved.getsockname()[1]
        command = [sys.executable, "-m", "gsn_jax", "train", "--config", config]
        self.workdir = workdir
        self.logs = [workdir.with_name(f"{workdir.name}.{index}.log") for index in range(count)]
        self.processes = []
        for index, log in enumerate(self.logs):
            environ = {
                **os.environ,
                "XLA_FLAGS": xla_flags(jax.device_count() // count),
                "JAX_COORDINATOR_ADDRESS": f"127.0.0.1:{port}",
                "JAX_NUM_PROCESSES": str(count),
                "JAX_PROCESS_ID": str(index),
                "WAIT": wait,
            }
            arguments = [*command, "--workdir", workdir, *(options or {}).get(index, [])]
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
        self.reserved.close()

    def reach(self, step: int) -> None:
        """Returns when the checkpoint of a step is complete."""
        deadline = time.monotonic() + PATIENCE
        while not (self.workdir / "checkpoints" / str(step)).exists():
            assert all(process.poll() is None for process in self.processes), self.said(0)
            assert time.monotonic() < deadline, self.said(0)
            time.sleep(0.1)

    def codes(self) -> list[int]:
        """The exit codes, once all have ended."""
        return [process.wait(PATIENCE) for process in self.processes]

    def said(self, index: int) -> str:
        return self.logs[index].read_text()


def losses(workdir: Path) -> list[float]:
    """The loss of every step; of a step that was repeated, the later one."""
    found = dict(read_scalars(workdir / "tensorboard")["train/loss"])
    return [found[step] for step in sorted(found)]


@pytest.fixture
def config(config):
    config.train.steps = STEPS
    config.train.log_every = 1
    config.train.checkpoint_every = config.train.eval_every = 2
    return config


@pytest.fixture
def file(config, tmp_path):
    path = tmp_path / "config.py"
    path.write_text(CONFIG.replace("CONFIGURATION", repr(config.to_json())))
    return path


@pytest.fixture
def join(file, monkeypatch):
    """`join(workdir)`: the command as a second process gives it, in this one."""

    def late(workdir):
        monkeypatch.setattr(supervision, "lifeline", mock.Mock)  # no process of its own
        group = "--coordinator=127.0.0.1:1", "--processes=2", "--process-id=1"
        return run("train", "--config", file, "--workdir", workdir, *group)

    return late


@pytest.mark.slow
def test_interrupted_processes_end_as_a_process_that_nobody_interrupts(
    config, file, join, tmp_path
):
    """SIGTERM to both, kill -9 of one, and the last steps by one process.

    Steps 1 to 6 and their evaluations are those of two processes.
    """
    workdir = tmp_path / "run"
    # Process 1 waits at step 3. Both save the same step and exit 0.
    with Group(file, workdir, 2, wait="1:3") as group:
        group.reach(2)
        # Somebody who joins now is refused, and the group goes on.
        _, said, code = join(workdir)
        assert code == 2
        assert said.startswith(f"gsn: --workdir {workdir}: another training is running in this")
        for process in group.processes:
            process.send_signal(signal.SIGTERM)
        assert group.codes() == [0, 0], group.said(0)
    assert "SIGTERM: saved step" in group.said(0)
    # Process 1 waits at step 7, and is killed there, after the checkpoint of step 6.
    with Group(file, workdir, 2, wait="1:7") as group:
        group.reach(6)
        group.processes[1].send_signal(signal.SIGKILL)
        assert group.processes[0].wait(PATIENCE) == 75, group.said(0)
    last = group.said(0).splitlines()[-1]
    assert last.startswith("gsn: ")
    assert "start all processes again" in last
    assert train(config, workdir).step == STEPS
    whole = tmp_path / "whole"
    train(config, whole)
    assert len(losses(whole)) == STEPS
    np.testing.assert_allclose(losses(workdir), losses(whole), rtol=1e-5)
    evaluations = read_evaluations(workdir)
    assert [row["step"] for row in evaluations] == list(range(2, STEPS + 1, 2))
    for row, want in zip(evaluations, read_evaluations(whole), strict=True):
        assert row == pytest.approx(want, rel=1e-5)


@pytest.mark.slow
def test_processes_with_different_configurations_are_refused(file, tmp_path):
    with Group(file, tmp_path / "run", 2, options={1: ["--config.loss.alpha=3"]}) as group:
        assert group.codes() == [2, 2], group.said(0)
    for index in (0, 1):
        assert "gsn: the configuration of process 1 differs from that of" in group.said(index)
    assert not (tmp_path / "run").exists()
