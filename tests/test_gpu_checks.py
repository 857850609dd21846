"""The prepared script for a GPU, dry on a CPU."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from virtual_devices import xla_flags

SCRIPT = Path(__file__).parents[1] / "scripts" / "gpu_checks.sh"


def test_its_limits_are_ten_minutes_together():
    text = SCRIPT.read_text()
    real = text[text.index("\nelse\n") :]
    limits = re.findall(r"^ *(?:part [a-z-]+ |beside=\()(\d+) ", real, re.M)
    assert len(limits) == 4
    assert sum(map(int, limits)) <= 600


@pytest.mark.slow
def test_it_runs_dry_and_leaves_its_results(tmp_path):
    done = subprocess.run(
        [SCRIPT, tmp_path / "out"],
        env={**os.environ, "XLA_FLAGS": xla_flags(1), "PYTHON": sys.executable, "DRY": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    said = {file.name: file.read_text() for file in (tmp_path / "out").iterdir()}
    assert done.returncode == 0, said
    parts = [line.partition(",")[0] for line in said["summary.txt"].splitlines()]
    assert parts == [
        "agreement: ok",
        "scoring: ok",
        "training: ok",
        "training-beside-pytorch: skipped",
    ]
    rows = re.findall(r"^\| ([^|]+) \| (\S+) \|  \|$", said["agreement.txt"], re.M)
    assert [name for name, _ in rows[:2]] == ["psnr", "ssim"]
    assert rows[2][0].startswith("gradient of a training step")
    assert all(float(apart) <= 1e-3 for _, apart in rows)
    assert re.findall(r"^\| psnr \| (\S+) \| 2 \| [\d.]+ \| - \|$", said["scoring.txt"], re.M) == [
        "float32",
        "bfloat16",
    ]
    assert len(re.findall(r"^\| (?:float32|bfloat16) \| 2 \|", said["training.txt"], re.M)) == 2


def test_a_part_that_fails_is_told_and_does_not_stop_the_others(tmp_path):
    broken = tmp_path / "python"
    broken.write_text("#!/bin/bash\ncase $1 in *gpu_scoring.py) exit 3;; esac\necho fine\n")
    broken.chmod(0o755)
    done = subprocess.run(
        [SCRIPT, tmp_path / "out"],
        env={**os.environ, "PYTHON": str(broken)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    lines = (tmp_path / "out" / "summary.txt").read_text().splitlines()
    assert lines[1].startswith("scoring: failed with code 3")
    assert lines[2].startswith("training: ok")
