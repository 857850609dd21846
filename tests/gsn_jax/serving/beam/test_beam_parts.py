"""Units, patience with files that cannot be read for a moment, and workers that die."""

import errno
import os
import sys

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("apache_beam", reason="needs the extra [beam]")

from gsn_jax.errors import InputError
from gsn_jax.serving.beam import files, runners, units, worker
from gsn_jax.serving.beam.pipeline import Job
from gsn_jax.serving.beam.units import Task

JOB = Job("pairs.csv", worker.Settings(("psnr",)), ("psnr",), "units", "shards")


def tasks(count):
    return [Task(row, "r", f"d{row}", "/r.png", f"/d{row}.png", "") for row in range(count)]


def test_units_do_not_depend_on_the_order_of_arrival(rng):
    elements = [tuple(task) for task in tasks(150)]
    shuffled = [elements[index] for index in rng.permutation(150)]
    made = list(units.units_of("000000-128x128", shuffled))
    assert made == list(units.units_of("000000-128x128", elements))
    assert [len(part) for _, part in made] == [64, 64, 22]
    assert [row for _, part in made for row, *_ in part] == list(range(150))


def test_groups_are_blocks_and_size_classes():
    (task,) = tasks(1)
    late = task._replace(row=2048)
    assert units.group_of(task, (128, 128)) == "000000-512x128"
    assert units.group_of(late, (140, 150)) == "000002-288x288"
    assert units.group_of(task, (100, 400)) == "000000-512x128"
    assert units.group_of(task, (100, 4000)) == "000000-tiled"
    assert units.group_of(task, None) == "000000-unreadable"


def test_kept_units_are_of_the_same_pairs_files_and_run(tmp_path):
    some = tasks(3)
    folder = tmp_path / "units"
    folder.mkdir()
    kept = units.KeptUnits(str(folder), "run")
    assert kept.load("a", some) == {}
    kept.save("a", some, {0: {"psnr": 0.1 + 0.2}, 2: {"psnr": float("inf")}})
    assert kept.load("a", some) == {0: {"psnr": 0.1 + 0.2}, 2: {"psnr": float("inf")}}
    assert kept.load("a", some[:2]) == {}
    assert kept.load("a", [*some[:2], some[2]._replace(stamp="later")]) == {}
    assert units.KeptUnits(str(folder), "another").load("a", some) == {}
    (path,) = folder.iterdir()
    path.write_text('{"0": ')
    assert kept.load("a", some) == {}


def test_a_reason_that_may_pass_is_waited_out(tmp_path, monkeypatch):
    waited = []
    monkeypatch.setattr(worker.time, "sleep", waited.append)
    image = tmp_path / "a.png"
    Image.fromarray(np.full((20, 20, 3), 7, np.uint8)).save(image)
    original, refusals = os.open, [errno.EIO, errno.ESTALE]

    def refuse(path, *arguments, **options):
        if refusals and path == image:
            raise OSError(refusals.pop(0), "not now")
        return original(path, *arguments, **options)

    monkeypatch.setattr(os, "open", refuse)
    assert worker._PatientLoading().load(image).shape == (20, 20, 3)
    assert waited == list(worker.WAITS)
    refusals[:] = [errno.EIO] * 3
    with pytest.raises(InputError, match="cannot be read"):
        worker._PatientLoading().load(image)


def test_a_reason_that_stays_is_not_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr(worker.time, "sleep", lambda _: pytest.fail("waited"))
    (tmp_path / "a.png").write_bytes(b"no image")
    for name in ("a.png", "missing.png", ""):
        with pytest.raises(InputError):
            worker._PatientLoading().load(tmp_path / name)


def test_names_in_a_remote_table():
    table = "gs://bucket/sets/pairs.csv"
    assert files.resolve(table, "a/b.png") == "gs://bucket/sets/a/b.png"
    assert files.resolve(table, "s3://other/b.png") == "s3://other/b.png"
    assert files.resolve(table, "/mnt/b.png") == "/mnt/b.png"
    assert files.resolve("sets/pairs.csv", "gs://bucket/b.png") == "gs://bucket/b.png"
    with pytest.raises(InputError, match="outside the table's folder"):
        files.resolve(table, "../b.png")


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
