"""The shapes that stand in the annotations are those of the arrays."""

import subprocess
import sys
from pathlib import Path

import pytest

from gsn_jax import metrics

PROGRAM = Path(__file__).parent / "support" / "checked_annotations.py"


@pytest.mark.slow
def test_shapes_are_as_annotated():
    done = subprocess.run([sys.executable, PROGRAM], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    endings = (": as annotated", ": needs weights")
    assert not [line for line in lines if not line.endswith(endings)], done.stdout
    traced = {line.split(":")[0] for line in lines if line.endswith(endings[0])}
    expected = {*metrics.names(), "gsn_loss", "CDConv", "model gsn"}
    learned = {"pieapp", "deepiqa", "dists", "adists", "lpips_alex", "lpips_vgg"}
    assert expected - traced <= learned
