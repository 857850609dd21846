"""The builder of a user's own pairs table."""

from pathlib import Path

import pytest
from small_data_sets import (
    BuilderTests,
    check_broken_row,
    save,
)

import data_pipelines
from data_pipelines import catalogue
from gsn_jax.errors import InputError


@pytest.fixture
def small(tmp_path):
    """Folder in the authors' layout, and the pairs expected of it."""
    folder = tmp_path / "downloads"
    folder.mkdir()
    for name in ("a.png", "sub/b.webp", "c.bmp"):
        save(folder, name)
    Path(folder, "scores.csv").write_text(
        "reference,distorted,score,type,level,group\na.png,c.bmp,0.25,blur,2,scene\n"
        "a.png,a.png,1,,,scene\n"
    )
    nan = float("nan")
    return folder, [
        ("a.png", "c.bmp", 0.25, nan, 0.25, "scene", "blur", 2),
        ("a.png", "a.png", 1, nan, 1, "scene", "", 0),
    ]


class TestIqaTable(BuilderTests):
    name = "iqa_table"
    test_names_in_another_case_are_found = None  # a table names its files exactly


@pytest.mark.parametrize(
    ("table", "old", "new", "words"),
    [
        ("scores.csv", "0.25", "", "scores.csv, line 2: score ''"),
        ("scores.csv", "0.25", "0_25", "scores.csv, line 2: score '0_25' is not a number"),
        ("scores.csv", "blur,2", "blur,1_2", "scores.csv, line 2: level '1_2'"),
    ],
)
def test_broken_rows_are_named(small, tmp_path, table, old, new, words):
    check_broken_row("iqa_table", small[0], tmp_path / "data", table, old, new, words)


def test_score_range_of_a_table(tmp_path):
    save(tmp_path, "a.png")
    (tmp_path / "pairs.csv").write_text("reference,distorted,score\na.png,a.png,30\n")
    (tmp_path / "other.csv").write_text("")
    with pytest.raises(InputError, match=r"line 2: score 30 lies outside"):
        catalogue.prepare("iqa_table", tmp_path, tmp_path / "data")
    catalogue.prepare(
        "iqa_table", tmp_path, tmp_path / "data", score_range=(0, 40), higher_is_better=False
    )
    assert data_pipelines.load("iqa_table", data_dir=tmp_path / "data").quality == [0.25]


@pytest.mark.parametrize("split", ["references", "all", "Test", ""])
def test_names_that_a_split_cannot_have(tmp_path, split):
    save(tmp_path, "a.png")
    (tmp_path / "pairs.csv").write_text(f"reference,distorted,score,split\na.png,a.png,1,{split}\n")
    with pytest.raises(InputError, match="invalid split name"):
        catalogue.prepare("iqa_table", tmp_path, tmp_path / "data")


def test_another_table_or_range_than_the_prepared_one_is_refused(tmp_path):
    folder, data = tmp_path / "pairs", tmp_path / "data"
    save(folder, "a.png")
    table = folder / "pairs.csv"
    table.write_text("reference,distorted,score\na.png,a.png,1\n")
    catalogue.prepare("iqa_table", folder, data)
    assert catalogue.prepare("iqa_table", folder, data).is_prepared()
    with pytest.raises(InputError, match="from another table or with other options"):
        catalogue.prepare("iqa_table", folder, data, score_range=(0, 2))
    table.write_text("reference,distorted,score\na.png,a.png,0.5\n")
    with pytest.raises(InputError, match="from another table or with other options"):
        catalogue.prepare("iqa_table", folder, data)


@pytest.mark.parametrize("name", ["dataset_info.json", "metadata.json", "records"])
def test_damage_of_a_prepared_set_is_one_line(small, tmp_path, name):
    data = tmp_path / "data"
    folder = Path(catalogue.prepare("iqa_table", small[0], data).data_dir)
    files = folder.glob("*array_record*") if name == "records" else [folder / name]
    for file in files:
        file.write_bytes(file.read_bytes()[:20])
    with pytest.raises(InputError, match=r"damaged .*prepare it again"):
        data_pipelines.load("iqa_table", data_dir=data)[0]
