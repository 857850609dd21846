"""Which existing files a command replaces."""

import json
import zipfile

import pytest

from gsn_jax.errors import InputError
from gsn_jax.metrics import get
from gsn_jax.scoring import outputs, tables
from gsn_jax.scoring.pairs import Pair, ScoredPair


@pytest.fixture
def scored():
    return [ScoredPair(Pair("=a, b.png", "b.png", None, None), {"psnr": 30.0})]


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_a_table_of_scores_is_replaced(tmp_path, scored, form):
    path = tmp_path / f"scores.{form}"
    tables.write_scores(path, scored, [get("psnr")], form)
    tables.check_target(path, [], form=form)


@pytest.mark.parametrize(
    "content",
    [
        b"reference,distorted,score\na.png,b.png,3\n",
        b"my notes",
        b"PAR1",
        b"{",
        b'{"a": 1}',
        b"\xff",
    ],
)
def test_other_files_are_kept_unless_overwriting_is_allowed(tmp_path, content):
    path = tmp_path / "table.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"this command did not write it; .* --overwrite"):
        tables.check_target(path, [], form="csv")
    tables.check_target(path, [], form="csv", overwrite=True)
    assert path.read_bytes() == content


def test_the_file_beside_a_csv_table_counts_too(tmp_path):
    beside = tmp_path / "scores.csv.json"
    beside.write_text(json.dumps({"mine": 1}))
    with pytest.raises(InputError, match=r"scores\.csv\.json: exists"):
        tables.check_target(tmp_path / "scores.csv", [], form="csv")
    tables.check_target(tmp_path / "scores.csv", [], form="parquet")


def test_empty_files_and_devices_are_allowed(tmp_path):
    (tmp_path / "empty").touch()
    for path in (tmp_path / "empty", tmp_path / "new", "/dev/null"):
        outputs.refuse_foreign(path, lambda path: False, overwrite=False)


def test_a_submission_is_replaced_and_another_archive_is_not(tmp_path):
    path = tmp_path / "x.zip"
    for names, ours in ((["output.txt", "readme.txt"], True), (["thesis.txt"], False)):
        with zipfile.ZipFile(path, "w") as archive:
            for name in names:
                archive.writestr(name, "x")
        assert outputs.is_submission(path) is ours
