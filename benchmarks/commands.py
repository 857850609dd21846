"""Runs and measures commands in separate processes."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

GSN = [sys.executable, "-m", "gsn_jax"]


class Ended(NamedTuple):
    """A process that has ended.

    Attributes:
        seconds: wall time.
        processor: CPU time over all cores, which other programs hardly affect.
        peak: largest resident memory in bytes.
        output: what it wrote to standard output.
        errors: what it wrote to standard error.
    """

    seconds: float
    processor: float
    peak: int
    output: str
    errors: str


def run(command: Sequence[str], *, code: int = 0, **environment: str) -> Ended:
    """Runs a command to its end.

    Args:
        command: program and arguments.
        code: the expected exit code.
        **environment: environment variables to add.

    Raises:
        RuntimeError: the exit code differs.
    """
    with tempfile.TemporaryFile("w+") as output:
        start = time.perf_counter()
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
        )
        errors = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != code:
            ending = f"exit code {process.returncode} instead of {code}"
            raise RuntimeError(f"{' '.join(command)}: {ending}\n{errors[-2000:]}")
        output.seek(0)
        processor = usage.ru_utime + usage.ru_stime
        return Ended(seconds, processor, usage.ru_maxrss * 1024, output.read(), errors)


def score_folders(folder: Path, out: Path) -> list[str]:
    """The command that scores the pairs that `image_pairs` made in a folder."""
    folders = ["--reference-dir", str(folder / "reference"), "--distorted-dir"]
    return [*GSN, "score", *folders, str(folder / "distorted"), "--out", str(out)]


def score_pair(folder: Path, name: str) -> list[str]:
    """The command that scores one pair that `image_pairs` made in a folder."""
    files = [str(folder / kind / f"{name}.png") for kind in ("reference", "distorted")]
    return [*GSN, "score", *files]


def rows_of(path: Path) -> list[dict[str, str]]:
    """The rows of a table of scores."""
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
