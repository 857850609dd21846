import csv
import io

import pytest

from gsn_jax.errors import InputError
from gsn_jax.images import pair_tables
from gsn_jax.scoring import tables
from gsn_jax.scoring.pairs import Pair, ScoredPair

NAMES = ["a.png", "a,b.png", 'q"q.png', " blank.png", "line\nend.png", "old\rmac.png", "=1+2.png"]


def written(names, **options):
    rows = [ScoredPair(Pair(name, name, None, None), {"psnr": -1.5}) for name in names]
    file = io.StringIO(newline="")
    tables.write_rows(file, rows, ["psnr", "gmsd"], **options)
    return file.getvalue()


def test_names_come_back_as_they_were(tmp_path):
    """Read by Python's reader, and as a pairs table."""
    text = written(NAMES)
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [row["distorted"] for row in rows] == NAMES
    assert {row["psnr"] for row in rows} == {"-1.500000"}
    assert {row["gmsd"] for row in rows} == {""}
    (tmp_path / "t.csv").write_bytes(text.encode())
    read = list(pair_tables.read_rows(tmp_path / "t.csv"))
    assert [row.fields["reference"] for row in read] == NAMES


def test_formulas_are_escaped_on_request():
    names = ["=SUM(A1)", "+1", "-1", "@a", "a=b"]
    rows = list(csv.DictReader(io.StringIO(written(names, escape_formulas=True))))
    assert [row["reference"] for row in rows] == ["'=SUM(A1)", "'+1", "'-1", "'@a", "a=b"]
    assert {row["psnr"] for row in rows} == {"-1.500000"}  # a number is no formula


@pytest.mark.parametrize(
    ("name", "wanted", "form"),
    [("s.csv", None, "csv"), ("s", None, "csv"), ("s.JSONL", None, "jsonl"), ("s.x", "csv", "csv")],
)
def test_the_format_follows_the_suffix(name, wanted, form):
    assert tables.format_of(name, wanted) == form


def test_a_target_must_not_be_an_input(tmp_path):
    image = tmp_path / "a.png"
    image.touch()
    tables.check_target(tmp_path / "s.csv", [image, None])
    for target, message in (
        (image, "is an input of this command"),
        (tmp_path, "is a folder"),
        (tmp_path / "none" / "s.csv", "no such folder"),
    ):
        with pytest.raises(InputError, match=message):
            tables.check_target(target, [image])
    with pytest.raises(InputError, match="lies in the input folder"):
        tables.check_target(tmp_path / "s.csv", [], [tmp_path])
