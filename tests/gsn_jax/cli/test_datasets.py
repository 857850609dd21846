import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import data_pipelines
from gsn_jax.cli.datasets import command
from gsn_jax.errors import InputError


@pytest.fixture
def folder(tmp_path):
    for name in ("a.png", "b.png"):
        Image.fromarray(np.full((4, 5, 3), ord(name[0]), np.uint8)).save(tmp_path / name)
    (tmp_path / "pairs.csv").write_text("reference,distorted,score\na.png,b.png,30\n")
    return tmp_path


def gsn(*arguments):
    return CliRunner().invoke(command, [str(a) for a in arguments], catch_exceptions=False)


def test_lists_every_set_with_its_state(folder):
    data = folder / "data"
    listing = gsn("--data-dir", data).output
    for name in data_pipelines.names():
        assert name in listing
    assert "10125" in listing
    assert listing.count("not prepared") == 7
    prepared = gsn(
        "prepare", "iqa_table", "--manual-dir", folder, "--data-dir", data, "--score-range", 0, 40
    )
    assert prepared.exit_code == 0
    assert f"iqa_table is ready in {data}" in prepared.output.replace("\n", "")
    assert "train 1 pair\n" in prepared.output
    assert data_pipelines.load("iqa_table", data_dir=data).quality == [0.75]
    assert gsn("--data-dir", data).output.count("not prepared") == 6


def test_lower_is_better(folder):
    options = ("--score-range", 0, 40, "--lower-is-better")
    gsn("--data-dir", folder / "data", "prepare", "iqa_table", "--manual-dir", folder, *options)
    assert data_pipelines.load("iqa_table", data_dir=folder / "data").quality == [0.25]


def test_errors(folder):
    with pytest.raises(InputError, match="score 30 lies outside"):
        gsn("prepare", "iqa_table", "--manual-dir", folder, "--data-dir", folder / "data")
    with pytest.raises(InputError, match="do not apply to csiq"):
        gsn("prepare", "csiq", "--manual-dir", folder, "--lower-is-better")
    for options in ((), ("--lower-is-better",)):
        with pytest.raises(InputError, match="no data set 'csik'"):
            gsn("prepare", "csik", "--manual-dir", folder, *options)


def test_nothing_is_announced_for_an_unknown_set(folder):
    result = CliRunner().invoke(command, ["prepare", "csik", "--manual-dir", str(folder)])
    assert isinstance(result.exception, InputError)
    assert result.output == ""


def test_sets_are_listed_in_folders_only(monkeypatch):
    with pytest.raises(InputError, match="--data-dir gs://bucket: data sets are listed"):
        gsn("--data-dir", "gs://bucket")
    monkeypatch.setenv("TFDS_DATA_DIR", "gs://other")
    with pytest.raises(InputError, match="TFDS_DATA_DIR gs://other: data sets are listed"):
        gsn()
