import importlib.util
import os
import signal
import subprocess
import sys

import pytest

from gsn_jax import storage
from gsn_jax.errors import InputError


def test_folders_on_a_disk_are_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert storage.folder("runs/a") == tmp_path / "runs" / "a"
    assert not storage.is_url(tmp_path)


def test_other_storage_is_refused():
    with pytest.raises(
        InputError, match=r"^s3://b/run: runs and models can only be kept in folders and at"
    ):
        storage.folder("s3://b/run")


def test_the_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"^gs://b/run: .* pip install 'gsn_jax\[gcs\]'$"):
        storage.folder("gs://b/run")


def test_a_link_in_place_of_a_temporary_file_is_not_followed(tmp_path):
    (tmp_path / "precious").write_text("somebody's")
    (tmp_path / ".table.new").symlink_to("precious")
    with storage.replacing(tmp_path / "table") as partial:
        partial.write_text("new")
    assert (tmp_path / "table").read_text() == "new"
    assert (tmp_path / "precious").read_text() == "somebody's"
    with pytest.raises(ZeroDivisionError), storage.replacing(tmp_path / "table") as partial:
        raise ZeroDivisionError
    assert sorted(path.name for path in tmp_path.iterdir()) == ["precious", "table"]


def test_two_writers_of_one_file_do_not_disturb_each_other(tmp_path, monkeypatch):
    target = tmp_path / "table"
    with storage.replacing(target, shared=True) as first:
        first.write_text("half")
        with monkeypatch.context() as other:
            other.setattr(os, "getpid", lambda: 1)
            storage.write_text(target, "whole, of another process\n")
        assert target.read_text() == "whole, of another process\n"
    assert target.read_text() == "half"
    assert [file.name for file in tmp_path.iterdir()] == ["table"]


def test_a_csv_table(tmp_path):
    text = storage.csv_text([("a", "b"), (1, 'x, "y"'), [None, 0.5]])
    assert text == 'a,b\n1,"x, ""y"""\n,0.5\n'
    storage.write_text(tmp_path / "t.csv", text)
    assert (tmp_path / "t.csv").read_bytes() == text.encode()


# A run that has started a process of its own, which outlives it.
HOLDING = """
import subprocess, sys, time
from gsn_jax.storage import exclusive

with exclusive(sys.argv[1], ""):
    child = subprocess.Popen(["sleep", "60"], stdout=subprocess.DEVNULL)
    print(child.pid, flush=True)
    time.sleep(60)
"""


def test_one_process_at_a_time(tmp_path):
    """A second one is refused, and a killed one locks nobody out."""
    path = tmp_path / "lock"
    command = [sys.executable, "-c", HOLDING, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        orphan = int(process.stdout.readline())
        try:
            with pytest.raises(InputError, match="taken"), storage.exclusive(path, "taken"):
                pass
            process.kill()
            process.wait()
            with storage.exclusive(path, "taken"):
                pass
        finally:
            process.kill()
            os.kill(orphan, signal.SIGKILL)
    with (
        storage.exclusive(path, "taken", remove=True),
        pytest.raises(InputError),
        storage.exclusive(path, "taken"),
    ):
        pass
    assert not path.exists()
