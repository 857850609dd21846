import sys

import pytest

pytest.importorskip("apache_beam", reason="needs the extra [beam]")

from gsn_jax.errors import InputError
from gsn_jax.serving.beam import runners, worker
from gsn_jax.serving.beam.pipeline import Job

JOB = Job("pairs.csv", worker.Settings(("psnr",)), ("psnr",), "units", "shards")


def test_several_local_workers_are_processes():
    assert runners.parse_options(["direct_num_workers=2", "--streaming"]) == [
        "--direct_num_workers=2",
        "--streaming",
        "--direct_running_mode=multi_processing",
    ]
    chosen = ["direct_num_workers=2", "direct_running_mode=multi_threading"]
    assert runners.parse_options(chosen) == [f"--{text}" for text in chosen]


FLAGS = runners.parse_options(["direct_num_workers=2"])


@pytest.fixture(autouse=True)
def temporary_files(tmp_path, monkeypatch):
    """Logs of runs that fail stay there."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(runners.tempfile, "tempdir", str(tmp_path / "temporary"))
    return tmp_path / "temporary"


def supervise(monkeypatch, script, *arguments):
    """Runs `script` in the place of the process of a local run; what was said."""
    command = [sys.executable, "-c", script, *map(str, arguments)]
    monkeypatch.setattr(runners, "_command", lambda order: [*command, order])
    said = []
    runners.run(JOB, FLAGS, said.append)
    return said


def test_a_run_whose_worker_died_starts_again(tmp_path, monkeypatch, temporary_files):
    script = (
        "import sys, os, json\n"
        "assert json.loads(sys.argv[2])['job']['table'] == 'pairs.csv'\n"
        "with open(sys.argv[1], 'a+') as file: file.write('x'); count = file.tell()\n"
        "job = json.loads(sys.argv[2])['job']\n"
        "assert job['shards'] == os.path.join('shards', f'attempt-{count}')\n"
        "if count == 1: os._exit(75)\n"
        "if count == 2: os.kill(os.getpid(), 9)\n"
    )
    said = supervise(monkeypatch, script, tmp_path / "attempts")
    assert (tmp_path / "attempts").read_text() == "xxx"
    assert len(said) == 2
    assert "a worker died" in said[0]
    assert not list(temporary_files.iterdir())


def test_a_run_whose_workers_always_die_ends(monkeypatch):
    with pytest.raises(InputError, match="a worker died in each of 4 attempts"):
        supervise(monkeypatch, "import os; os._exit(75)")


def test_a_run_that_fails_says_why(monkeypatch, temporary_files):
    script = "import sys; print('noise'); print('gsn: the reason', file=sys.stderr); sys.exit(1)"
    with pytest.raises(InputError, match=r"^the reason; the whole log is in"):
        supervise(monkeypatch, script)
    (log,) = temporary_files.iterdir()
    assert "noise" in log.read_text()
