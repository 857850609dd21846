"""`gsn score` in two real processes on the loopback: the table of one process, and one may die."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import ports
import pytest
from command_line import rows_of, run
from PIL import Image
from virtual_devices import xla_flags

from gsn_jax.cli import score_processes
from gsn_jax.devices.distributed import ProcessGroup
from gsn_jax.errors import InputError
from gsn_jax.scoring.pairs import Pair, share

ARGUMENTS = "score", "--metric", "psnr", "--tiles", "2x1", "--align", "integer"
PATIENCE = 500  # seconds; only so that a hang ends

# The command in a process whose parent this script plays. It ends after so many scores, if at all.
DYING = """
import os, signal, socket, sys
mine, its = socket.socketpair()
os.environ["GSN_JAX_LIFELINE"] = str(its.detach())
from gsn_jax import cli
from gsn_jax.devices import distributed
from gsn_jax.scoring.journal import Journal

distributed.SILENCE_SECONDS = 10
real, left = Journal.add, int(os.environ["DIES_AFTER"])

def add(self, index, scored):
    global left
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)
    left -= 1
    real(self, index, scored)

Journal.add = add
sys.argv[0] = "gsn"
cli.main()
"""


@pytest.fixture
def table(tmp_path, photo, rng):
    """Six pairs of two references; the second one is broken."""
    lines = ["reference,distorted"]
    for scene in range(2):
        Image.fromarray(photo[:40, 40 * scene : 40 * scene + 48]).save(tmp_path / f"r{scene}.png")
        for level in range(3):
            noise = rng.integers(0, 10 + level, (40, 48, 3))
            image = np.clip(photo[:40, 40 * scene : 40 * scene + 48] + noise, 0, 255)
            Image.fromarray(image.astype(np.uint8)).save(tmp_path / f"d{scene}{level}.png")
            lines.append(f"r{scene}.png,d{scene}{level}.png")
    (tmp_path / "d01.png").write_text("no image")
    path = tmp_path / "pairs.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def start(table, out, dies_after=None):
    """The exit codes and the output of two processes. They die after so many scores; -1: never."""
    program = ["-m", "gsn_jax"] if dies_after is None else ["-c", DYING]
    command = [sys.executable, *program, *ARGUMENTS, "--pairs", table, "--out", out]
    running = []
    with ports.reserve() as reserved:
        for index in (0, 1):
            environ = {
                **os.environ,
                "XLA_FLAGS": xla_flags(1),
                "JAX_COORDINATOR_ADDRESS": f"127.0.0.1:{reserved.getsockname()[1]}",
                "JAX_NUM_PROCESSES": "2",
                "JAX_PROCESS_ID": str(index),
                "DIES_AFTER": str(dies_after[index] if dies_after else ""),
            }
            pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
            running.append(subprocess.Popen(command, env=environ, **pipes))
        try:
            said = [process.communicate(timeout=PATIENCE)[0] for process in running]
        finally:
            for process in running:
                process.kill()
    return [process.returncode for process in running], said


@pytest.mark.slow
def test_a_lost_process_is_named_and_the_same_command_completes_the_table(table, tmp_path):
    out = tmp_path / "scores.csv"
    codes, said = start(table, out, dies_after=(-1, 1))
    assert codes == [75, -9], said
    assert "gsn: process 1 of 2 was lost; 2 of its pairs are not scored" in said[0]
    assert "start all processes again" in said[0]
    assert not out.exists()
    codes, said = start(table, out)
    assert codes == [2, 0], said  # a pair is broken
    assert "gsn: 2 of 3 pairs were already scored" in said[0]  # the broken one is tried again
    assert "gsn: 1 of 3 pairs were already scored" in said[1]
    assert "d01.png: not an image" in said[0]
    assert "1 of 6 pairs could not be scored" in said[0]
    alone = tmp_path / "alone.csv"
    _, err, code = run(*ARGUMENTS, "--pairs", table, "--out", alone)
    assert code == 2, err
    assert out.read_text() == alone.read_text()
    assert len(out.read_text().splitlines()) == 1 + 5 * 3 + 1  # the broken pair has no tiles
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_shares_are_of_one_length_and_keep_references_together():
    pairs = [Pair(r, f"{i}", r, None) for i, r in enumerate("abcabcabca")]
    shares = [share(pairs, n, 3) for n in range(3)]
    assert shares == [[0, 3, 6], [9, 1, 4], [7, 2, 5, 8]]
    assert share(pairs, 0, 1) == [0, 3, 6, 9, 1, 4, 7, 2, 5, 8]
    assert [share(pairs[:1], n, 2) for n in (0, 1)] == [[], [0]]


def test_what_several_processes_do_not_have():
    flags = "h:1", 2, 0
    group = score_processes.find(*flags, out="t.csv", absent={"--maps": None})
    assert group == ProcessGroup("flags", *flags)
    with pytest.raises(InputError, match="--maps: not with several processes"):
        score_processes.find(*flags, out="t.csv", absent={"--maps": "maps"})


@pytest.mark.parametrize(
    "divided",
    [
        ["r0.png", "d00.png", "--out", "t.csv"],
        ["--pairs", "pairs.csv"],
        ["--pairs", "pairs.csv", "--out", os.devnull],
        ["--pairs", "pairs.csv", "--out", "t", "--runner", "beam"],
    ],
)
@pytest.mark.parametrize(
    "flags", [["--coordinator", "h:1"], ["--process-id", 1], ["--processes", 2]], ids=str
)
def test_flags_without_a_table_to_divide_are_refused(table, monkeypatch, divided, flags):
    monkeypatch.chdir(table.parent)
    _, err, code = run("score", "--metric", "psnr", *divided, *flags)
    assert code == 2
    assert err.startswith(f"gsn: {flags[0]}: ")
    assert err.endswith("; leave it out\n")
    assert not Path("t.csv").exists()


def test_one_process_and_the_environment_are_not_refused(table, monkeypatch):
    """A variable may be meant for another command on the same machine."""
    monkeypatch.chdir(table.parent)
    monkeypatch.setenv("JAX_COORDINATOR_ADDRESS", "h:1")
    monkeypatch.setenv("JAX_PROCESS_ID", "0")
    out, _, code = run("score", "--metric", "psnr", "r0.png", "d00.png")
    assert (len(rows_of(out)), code) == (1, 0)
    monkeypatch.delenv("JAX_COORDINATOR_ADDRESS")
    out, _, code = run("score", "--metric", "psnr", "r0.png", "d00.png", "--processes", 1)
    assert (len(rows_of(out)), code) == (1, 0)
