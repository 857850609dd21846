"""The rehearsal of data sets, small: the builders take its sets, and it runs to its end."""

import importlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from virtual_devices import xla_flags

import data_pipelines
from data_pipelines import catalogue

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def sets(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    return pytest.importorskip("rehearsal_sets")


def builder_of(name):
    return type(catalogue.builder(name))


@pytest.mark.parametrize("name", ["csiq", "kadid10k", "live_iqa", "pipal", "tid2013"])
def test_sets_have_the_published_numbers(sets, name, tmp_path):
    """By their tables; no image is drawn."""
    layout = sets.LAYOUTS[name]
    groups = list(layout.write(tmp_path, layout.references))
    files = [file for group in groups for file in (group.reference, *group.distorted)]
    builder = builder_of(name)
    assert len(set(files)) == len(files) == builder.NUM_REFERENCES + builder.NUM_PAIRS
    assert all(group.distorted for group in groups)  # a builder knows no other references


@pytest.mark.slow
@pytest.mark.parametrize("name", ["csiq", "kadid10k", "live_iqa", "pipal", "tid2013"])
def test_the_builders_take_them(sets, name, tmp_path, monkeypatch):
    monkeypatch.setattr(builder_of(name), "NUM_REFERENCES", 1)
    monkeypatch.setattr(builder_of(name), "NUM_PAIRS", None)
    (tmp_path / "originals").mkdir()
    (group,) = sets.LAYOUTS[name].write(tmp_path / "originals", 1)
    for file in (group.reference, *group.distorted):
        file.parent.mkdir(parents=True, exist_ok=True)
    sets._draw((8, 10), 0, group)
    catalogue.prepare(name, tmp_path / "originals", tmp_path / "sets")
    pairs = data_pipelines.load(name, data_dir=tmp_path / "sets")
    assert len(pairs) == len(group.distorted)
    assert pairs[0]["distorted"].shape == (8, 10, 3)
    noise = pairs[0]["distorted"].astype(int) - pairs[0]["reference"]
    assert 0 < np.abs(noise).max() <= len(group.distorted)


@pytest.mark.parametrize(
    ("option", "names", "message"),
    [
        ("--sets", "csiq,nope", "--sets: no nope; choose from csiq, kadid10k, live_iqa"),
        ("--phases", "read,nope", "--phases: no nope; choose from write, prepare"),
    ],
)
def test_unknown_names_are_refused(sets, tmp_path, monkeypatch, capsys, option, names, message):
    rehearsal = importlib.import_module("rehearsal")
    command = ["rehearsal", "--folder", str(tmp_path), option, names]
    monkeypatch.setattr(sys, "argv", command)
    with pytest.raises(SystemExit, match="2"):
        rehearsal.main()
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_small_rehearsal(tmp_path):
    done = subprocess.run(
        [
            sys.executable, BENCHMARKS / "rehearsal.py", "--folder", tmp_path, "--sets", "csiq",
            "--references", "4", "--size", "32", "40", "--widths", "4",
        ],
        env={**os.environ, "XLA_FLAGS": xla_flags(1)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [line.strip("| ").split(" | ") for line in done.stdout.splitlines()[2:]]
    assert [row[1] for row in rows] == [
        "write", "prepare", "read", "train", "evaluate", "benchmark",
    ]  # fmt: skip
    assert all(float(cell) > 0 for row in rows for cell in row[2:5])
    assert list(tmp_path.iterdir()) == []
