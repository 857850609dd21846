"""A run whose folder and data are in a bucket, by a store on the loopback."""

import json
import os
import signal
import subprocess
import sys
import time

import jax
import numpy as np
import pytest
from command_line import run

from gsn_jax.models import run_checkpoints
from gsn_jax.models.folders import read_model
from gsn_jax.training.loop import train

pytest.importorskip("gcsfs")
object_store = pytest.importorskip("object_store")

PATIENCE = 500  # seconds; only so that a hang ends

# A configuration is code: this one waits where the test kills the run.
CONFIG = """
import json, os, time
from ml_collections import ConfigDict
from gsn_jax.training.progress import TrainingLog

real = TrainingLog.advance

def advance(self, step):
    real(self, step)
    if str(step) == os.environ.get("WAITS_AT"):
        time.sleep({patience})

TrainingLog.advance = advance

def get_config():
    return ConfigDict(json.loads({json!r}))
"""

# Several commands, one after the other.
COMMANDS = """
import json, sys
from gsn_jax.cli import cli
for arguments in json.loads(sys.argv[1]):
    assert not cli.main(arguments, "gsn", standalone_mode=False)
"""


@pytest.fixture
def bucket(pairs):
    """A store with the table and its images, and the environment of its clients."""
    with object_store.serve() as (store, environment):
        for file in pairs.parent.iterdir():
            store.write("bucket", f"data/{file.name}", file.read_bytes())
        yield store, environment


@pytest.mark.slow
def test_a_killed_run_in_a_bucket_continues_bit_by_bit(bucket, config, pairs, tmp_path):
    store, environment = bucket
    config.train.steps = config.train.eval_every = 4
    train(config, tmp_path / "local")
    config.data.train = ("gs://bucket/data/pairs.csv",)
    file = tmp_path / "config.py"
    file.write_text(CONFIG.format(json=config.to_json(), patience=PATIENCE))
    command = ["train", "--config", str(file), "--workdir", "gs://bucket/runs/a"]
    environment = {**os.environ, **environment, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    log = tmp_path / "log"
    with open(log, "w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "gsn_jax", *command],
            env={**environment, "WAITS_AT": "3"},
            stdout=output,
            stderr=output,
        )
        deadline = time.monotonic() + PATIENCE
        try:
            while "runs/a/checkpoints/2/commit_success.txt" not in store.names("bucket"):
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.1)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
    # As if it had been killed in the middle of the next save.
    store.write("bucket", "runs/a/checkpoints/3/_CHECKPOINT_METADATA", b"{")
    # The model is scored where it is.
    score = ["score", *(str(pairs.parent / name) for name in ("r0.png", "r0_1.png"))]
    score += ["--checkpoint"]
    commands = json.dumps([command, [*score, "gs://bucket/runs/a/model"]])
    done = subprocess.run(
        [sys.executable, "-c", COMMANDS, commands],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "continuing from the checkpoint at step 2" in done.stderr
    assert done.stdout.startswith("finished at step 4")
    scores, _, _ = run(*score, tmp_path / "local" / "model")
    assert len(scores.splitlines()) == 2
    assert done.stdout.endswith(scores)
    names = [name for name in store.names("bucket") if name.startswith("runs/a/")]
    for name in names:
        copy = tmp_path / "copy" / name.removeprefix("runs/a/")
        if not name.endswith("/"):
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(store.read("bucket", name))
    found = run_checkpoints.read_variables(tmp_path / "copy" / "checkpoints" / "4")
    want = run_checkpoints.read_variables(tmp_path / "local" / "checkpoints" / "4")
    jax.tree.map(np.testing.assert_array_equal, found, want)
    evaluations = (tmp_path / "local" / "evaluations.csv").read_text()
    assert (tmp_path / "copy" / "evaluations.csv").read_text() == evaluations
    models = [read_model(tmp_path / where / "model") for where in ("copy", "local")]
    jax.tree.map(np.testing.assert_array_equal, *(model.variables for model in models))
    assert models[0].calibration == models[1].calibration
    assert any(name.startswith("runs/a/tensorboard/events") for name in names)
