"""The builder of TID2013 on a small set, and what all builders share, tested on it."""

import io
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small_data_sets import (
    BuilderTests,
    check_broken_row,
    check_pairs,
    left_behind,
    picture,
    save,
    small_folder,
)

import data_pipelines
from data_pipelines import catalogue
from data_pipelines.builders.tid2013 import Tid2013
from gsn_jax.errors import InputError


@pytest.fixture
def small(tmp_path, monkeypatch):
    """Folder in the authors' layout, and the pairs expected of it."""
    folder = small_folder(tmp_path, monkeypatch, Tid2013, 2, 6)
    save(folder, "reference_images/I01.BMP")
    save(folder, "reference_images/i25.bmp")
    rows = [
        ("5.51429", "i01_01_1.bmp", "0.13013"),
        ("0", "i01_24_5.bmp", "0.2"),
        ("9", "i01_08_3.bmp", "0.3"),
        ("4.5", "I25_10_2.BMP", "0.4"),
        ("2.25", "i25_17_4.bmp", "0.5"),
        ("6.75", "i25_22_1.bmp", "0.6"),
    ]
    for _, name, _ in rows:
        save(folder, f"distorted_images/{name.upper() if '24' in name else name}")
    Path(folder, "mos_with_names.txt").write_text("".join(f"{s} {n}\r\n" for s, n, _ in rows))
    Path(folder, "mos_std.txt").write_text("".join(f"{d}\r\n" for _, _, d in rows))
    return folder, [
        ("i01.bmp", "i01_01_1.bmp", 5.51429, 0.13013, 5.51429 / 9, "i01", "white_noise", 1),
        ("i01.bmp", "i01_24_5.bmp", 0, 0.2, 0, "i01", "sparse_sampling", 5),
        ("i01.bmp", "i01_08_3.bmp", 9, 0.3, 1, "i01", "gaussian_blur", 3),
        ("i25.bmp", "i25_10_2.bmp", 4.5, 0.4, 0.5, "i25", "jpeg", 2),
        ("i25.bmp", "i25_17_4.bmp", 2.25, 0.5, 0.25, "i25", "contrast", 4),
        ("i25.bmp", "i25_22_1.bmp", 6.75, 0.6, 0.75, "i25", "colour_quantisation_dither", 1),
    ]


@pytest.fixture
def tid2013(small):
    return small[0]


class TestTid2013(BuilderTests):
    name = "tid2013"


@pytest.mark.parametrize(
    ("table", "old", "new", "words"),
    [
        ("mos_std.txt", "0.6\n", "", "mos_std.txt: 5 numbers instead of 6"),
        ("mos_std.txt", "0.6\n", "0.6\n0.7\n", "mos_std.txt: 7 numbers instead of 6"),
        ("mos_with_names.txt", "4.5 ", "4_5 ", "line 4: '4_5 I25_10_2.BMP' is not"),
        ("mos_with_names.txt", "i01_08_3", "i01_00_3", "line 3: '9 i01_00_3.bmp' is not"),
        ("mos_with_names.txt", "i01_08_3", "i01_08_6", "line 3: '9 i01_08_6.bmp' is not"),
    ],
)
def test_broken_rows_are_named(small, tmp_path, table, old, new, words):
    check_broken_row("tid2013", small[0], tmp_path / "data", table, old, new, words)


@pytest.mark.parametrize("tables", [["mos_with_names.txt"], ["mos_with_names.txt", "mos_std.txt"]])
def test_blank_lines_are_skipped(small, tmp_path, tables):
    folder, expected = small
    for table in tables:
        first, *others = (folder / table).read_text().splitlines(keepends=True)
        (folder / table).write_text("".join([first, "\n", *others, " \n"]))
    catalogue.prepare("tid2013", folder, tmp_path / "data")
    check_pairs(data_pipelines.load("tid2013", data_dir=tmp_path / "data"), expected)


def test_everything_wrong_is_listed_in_one_error_and_nothing_is_left(tid2013, tmp_path):
    (tid2013 / "reference_images" / "i25.bmp").write_bytes(b"BM broken")
    (tid2013 / "distorted_images" / "i01_01_1.bmp").unlink()
    Image.new("RGB", (3, 5)).save(tid2013 / "distorted_images" / "i01_08_3.bmp")
    table = tid2013 / "mos_with_names.txt"
    table.write_text(table.read_text().replace("6.75", "high").replace("2.25", "12.25"))
    with pytest.raises(InputError) as caught:
        catalogue.prepare("tid2013", tid2013, tmp_path / "data")
    message = str(caught.value)
    for words in (
        "6 problems:",
        "5 pairs instead of 6",
        "mos_with_names.txt, line 6: 'high i25_22_1.bmp' is not 'MOS iRR_TT_L.bmp'",
        "i25_17_4.bmp: score 12.25 is not in [0, 9]",
        "i25.bmp: not an image",
        "i01_01_1.bmp is missing",
        "i01_08_3.bmp: size 3 x 5 differs from 8 x 6 of its reference",
    ):
        assert words in message
    assert "\n" not in message
    assert left_behind(tmp_path / "data") == []
    with pytest.raises(InputError, match="not prepared"):
        data_pipelines.load("tid2013", data_dir=tmp_path / "data")


def test_first_ten_problems_and_a_count(tid2013, tmp_path):
    shutil.rmtree(tid2013 / "distorted_images")
    shutil.rmtree(tid2013 / "reference_images")
    table = tid2013 / "mos_with_names.txt"
    table.write_text(table.read_text() + "x\n" * 5)
    with pytest.raises(InputError) as caught:
        catalogue.prepare("tid2013", tid2013, tmp_path / "data")
    assert "14 problems:" in str(caught.value)  # 5 lines, mos_std.txt, 2 references, 6 pairs
    assert str(caught.value).endswith("; and 4 more")


def test_an_interrupted_build_leaves_nothing(tid2013, tmp_path):
    def interrupt(stage, done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        catalogue.prepare("tid2013", tid2013, tmp_path / "data", progress=interrupt)
    assert left_behind(tmp_path / "data") == []


def test_rar_archives_are_named(tmp_path):
    (tmp_path / "tid2013.rar").write_bytes(b"Rar!")
    with pytest.raises(InputError, match=r"unpack tid2013\.rar first"):
        catalogue.prepare("tid2013", tmp_path, tmp_path / "data")


def test_a_prepared_set_is_not_built_again(tid2013, tmp_path):
    catalogue.prepare("tid2013", tid2013, tmp_path / "data")
    shutil.rmtree(tid2013)
    assert catalogue.prepare("tid2013", tid2013, tmp_path / "data").is_prepared()


def test_unknown_names_and_splits(tid2013, tmp_path):
    with pytest.raises(InputError, match=r"no data set 'tid'; choose from tid2013, kadid10k"):
        data_pipelines.load("tid", data_dir=tmp_path / "data")
    with pytest.raises(InputError, match=r"run gsn datasets prepare csiq --manual-dir DIR"):
        data_pipelines.load("csiq", data_dir=tmp_path / "data")
    builder = catalogue.prepare("tid2013", tid2013, tmp_path / "data")
    with pytest.raises(InputError, match=r"no split 'test'; choose from train, all"):
        builder.as_data_source("test")
    assert list(builder.as_data_source()) == ["train"]


def test_records_are_what_tfds_says(tid2013, tmp_path):
    builder = catalogue.prepare("tid2013", tid2013, tmp_path / "data")
    record = builder.records("train")[0]
    assert record["name"] == b"i01_01_1.bmp"
    assert set(record) == {"image", "name"}  # the labels are in the metadata
    image = Image.open(io.BytesIO(record["image"]))
    np.testing.assert_array_equal(np.asarray(image), picture("i01_01_1.bmp"))
    assert builder.info.splits["train"].num_examples == 6
    assert "ponomarenko2015" in builder.info.citation


def test_pairs_are_always_decoded(tid2013, tmp_path):
    builder = catalogue.prepare("tid2013", tid2013, tmp_path / "data")
    with pytest.raises(TypeError, match="does not support decoders"):
        builder.as_data_source("train", decoders={})


@pytest.mark.parametrize("ending", ["zip", "tar", "tar.gz"])
def test_archives_are_unpacked(small, tmp_path, ending):
    (folder, expected), packed = small, tmp_path / "packed"
    packed.mkdir()
    form = {"zip": "zip", "tar": "tar", "tar.gz": "gztar"}[ending]
    shutil.make_archive(packed / "TID2013", form, folder)
    (packed / "holiday.zip").write_bytes(b"none of our business")
    for number, given in enumerate((packed, packed / f"TID2013.{ending}")):
        data = tmp_path / f"data{number}"
        catalogue.prepare("tid2013", given, data)
        check_pairs(data_pipelines.load("tid2013", data_dir=data), expected)
        assert not [name for name in left_behind(data) if "unpacked" in name]


def test_what_a_killed_preparation_left_is_removed(tid2013, tmp_path):
    left = tmp_path / "data" / "tid2013" / "incomplete.ABC123_1.0.0"
    left.mkdir(parents=True)
    (left / "scratch").write_bytes(b"x")
    catalogue.prepare("tid2013", tid2013, tmp_path / "data")
    assert [path.name for path in (tmp_path / "data" / "tid2013").iterdir()] == ["1.0.0"]


def test_two_preparations_at_once_are_refused(tid2013, tmp_path):
    def again(stage, done, total):
        with pytest.raises(InputError, match="another process is preparing it"):
            catalogue.prepare("tid2013", tid2013, tmp_path / "data")
        seen.append(stage)

    seen = []
    catalogue.prepare("tid2013", tid2013, tmp_path / "data", progress=again)
    assert seen
