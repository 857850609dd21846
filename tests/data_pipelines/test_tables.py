import numpy as np
import pytest
from PIL import Image

from data_pipelines.sources import Concatenated, Subset
from data_pipelines.tables import PairTable
from gsn_jax.errors import InputError


@pytest.fixture
def folder(tmp_path):
    for name, value in (("a", 10), ("b", 20), ("c", 30)):
        Image.new("RGB", (6, 4), (value, value + 1, value + 2)).save(tmp_path / f"{name}.png")
    return tmp_path


def write(folder, text):
    path = folder / "pairs.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_row_becomes_a_whole_pair(folder):
    table = PairTable(
        write(
            folder,
            "reference,distorted,score,quality,score_std,type,level,group\n"
            "a.png,b.png,42,0.25,1.5,blur,3,scene\n",
        )
    )
    pair = table[0]
    np.testing.assert_array_equal(pair["reference"], np.full((4, 6, 3), [10, 11, 12], np.uint8))
    np.testing.assert_array_equal(pair["distorted"], np.full((4, 6, 3), [20, 21, 22], np.uint8))
    assert pair["reference"].dtype == np.uint8
    assert (pair["score"], pair["score_std"], pair["quality"]) == (42, 1.5, 0.25)
    assert pair["quality"].dtype == np.float32
    assert (pair["reference_id"], pair["distortion_type"], pair["distortion_level"]) == (
        "scene",
        "blur",
        3,
    )


def test_defaults_of_the_optional_columns(folder):
    table = PairTable(write(folder, "reference,distorted,score,note\na.png,b.png,0.75,x\n\n"))
    pair = table[0]
    assert len(table) == 1
    assert pair["quality"] == 0.75
    assert np.isnan(pair["score_std"])
    assert (pair["reference_id"], pair["distortion_type"], pair["distortion_level"]) == (
        "a.png",
        "",
        0,
    )
    assert table.text["note"] == ["x"]


def test_labels_need_no_decoding(folder):
    path = write(folder, "reference,distorted,score\na.png,b.png,0.5\nc.png,b.png,0\n")
    for name in "abc":
        (folder / f"{name}.png").write_bytes(b"not an image")
    table = PairTable(path)
    assert table.reference_ids == ["a.png", "c.png"]
    np.testing.assert_array_equal(table.quality, np.float32([0.5, 0]))
    assert table.image_size(0) is None
    with pytest.raises(InputError, match=r"a\.png: not an image"):
        table[0]


@pytest.mark.parametrize(
    ("higher_is_better", "expected"), [(True, [0, 0.25, 1]), (False, [1, 0.75, 0])]
)
def test_score_range_maps_linearly(folder, higher_is_better, expected):
    path = write(
        folder, "reference,distorted,score\na.png,a.png,10\na.png,b.png,12.5\na.png,c.png,20\n"
    )
    table = PairTable(path, score_range=(10, 20), higher_is_better=higher_is_better)
    np.testing.assert_array_equal(table.quality, np.float32(expected))
    assert table.fields["score"].tolist() == [10, 12.5, 20]


def test_the_largest_level(folder):
    path = write(folder, "reference,distorted,score,level\na.png,b.png,1,2147483647\n")
    assert PairTable(path)[0]["distortion_level"] == 2147483647


def test_other_column_names(folder):
    path = write(folder, "reference,distorted,mos,scene\na.png,b.png,0.5,s1\n")
    table = PairTable(path, score_column="mos", group_column="scene")
    assert (table.quality[0], table.reference_ids) == (0.5, ["s1"])


def test_absolute_paths_are_allowed(folder, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("table")
    text = f"reference,distorted,score\n{folder}/a.png,{folder}/b.png,0.5\n"
    assert PairTable(write(elsewhere, text))[0]["reference"][0, 0, 0] == 10


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"line 1: the header lacks reference, distorted, score"),
        ("reference,distorted\na.png,b.png\n", r"line 1: the header lacks score;"),
        ("reference,distorted,score,score\n", r"line 1: the column score occurs twice"),
        ("reference,distorted,score\n", r"no pairs below the header"),
        ("reference,distorted,score\na.png,b.png\n", r"line 2: 2 fields, but the header has 3"),
        ("reference,distorted,score\na.png,,1\n", r"line 2: no distorted given"),
        ("reference,distorted,score\n\na.png,b.png,good\n", r"line 3: score 'good' is not a num"),
        ("reference,distorted,score\na.png,b.png,nan\n", r"line 2: score 'nan' is not a number"),
        ("reference,distorted,score\na.png,b.png,5\n", r"line 2: score 5 lies outside \[0, 1\]"),
        (
            "reference,distorted,score,quality\na.png,b.png,5,1.5\n",
            r"line 2: quality 1.5 lies outside",
        ),
        ("reference,distorted,score,level\na.png,b.png,1,x\n", r"line 2: level 'x' is not a whole"),
        (
            "reference,distorted,score,level\na.png,b.png,1,99999999999999999999\n",
            r"line 2: level 99999999999999999999 lies outside \[-2147483647, 2147483647\]",
        ),
        (
            "reference,distorted,score,level\na.png,b.png,1,-2147483648\n",
            r"line 2: level -2147483648 lies outside \[-2147483647, 2147483647\]",
        ),
        ("reference,distorted,score\n../a.png,b.png,1\n", r"line 2: ../a.png lies outside"),
        ("reference,distorted,score\nx/../../a.png,b.png,1\n", r"line 2: .* lies outside"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(folder, text, message):
    with pytest.raises(InputError, match=rf"pairs\.csv.*{message}"):
        PairTable(write(folder, text))


def test_missing_images_are_listed_and_counted(folder):
    rows = "".join(f"a.png,x{i}.png,1\n" for i in range(12))
    with pytest.raises(InputError, match=r"12 missing images: line 2: .*x0\.png.*; and 2 more"):
        PairTable(write(folder, f"reference,distorted,score\n{rows}"))


def test_missing_table(tmp_path):
    with pytest.raises(InputError, match=r"no such table"):
        PairTable(tmp_path / "none.csv")


def test_pairs_of_different_sizes_are_refused(folder):
    Image.new("RGB", (5, 4)).save(folder / "small.png")
    table = PairTable(write(folder, "reference,distorted,score\na.png,small.png,1\n"))
    with pytest.raises(InputError, match=r"small\.png: size 5 x 4 differs from 6 x 4"):
        table[0]


def test_subset_and_concatenation_keep_pairs_together(position_table):
    first = PairTable(position_table(pairs=5, references=2))
    second = PairTable(position_table(pairs=4, references=4))
    both = Concatenated([first, Subset(second, [3, 1])], prefixes=["one/", "two/"])
    assert len(both) == 7
    assert both.reference_ids == [
        *(f"one/r{i % 2}.png" for i in range(5)),
        "two/r3.png",
        "two/r1.png",
    ]
    expected = [(0, 100), (1, 101), (0, 102), (1, 103), (0, 104), (3, 103), (1, 101)]
    found = [
        (p["reference"][0, 0, 2], p["distorted"][0, 0, 2]) for p in map(both.__getitem__, range(7))
    ]
    assert found == expected
    np.testing.assert_array_equal(both.quality, np.float32([0, 0.2, 0.4, 0.6, 0.8, 0.75, 0.25]))
    assert both.image_size(6) == (20, 24)
    assert both[-1]["score"] == 0.25
    assert both.reference_key(0) == both.reference_key(2) != both.reference_key(6)


def test_indices_out_of_range(position_table):
    table = PairTable(position_table(pairs=3))
    with pytest.raises(IndexError, match="no pair 3; the source has 3"):
        table[3]
    with pytest.raises(IndexError, match="no pair 3; the source has 3"):
        Subset(table, [0, 3])
    with pytest.raises(InputError, match="at least one"):
        Concatenated([])


def test_a_source_that_is_named_twice_shares_its_references(position_table):
    table, other = PairTable(position_table()), PairTable(position_table())
    keys = [Concatenated([table, other, table]).reference_key(k * len(table)) for k in range(3)]
    assert keys[0] == keys[2] != keys[1]


def test_tables_that_cannot_be_read(folder):
    with pytest.raises(InputError, match="is a folder, not a CSV table"):
        PairTable(folder)
    (folder / "latin.csv").write_bytes(
        "reference,distorted,score\nä.png,b.png,1\n".encode("latin1")
    )
    with pytest.raises(InputError, match="not UTF-8"):
        PairTable(folder / "latin.csv")
    with pytest.raises(InputError, match=r"line 2: not valid CSV"):
        PairTable(write(folder, 'reference,distorted,score\n"a.png"x,b.png,1\n'))
    with pytest.raises(InputError, match="low < high"):
        PairTable(write(folder, "reference,distorted,score\na.png,b.png,1\n"), score_range=(1, 1))


def test_combined_sources_name_the_file(folder):
    Image.new("RGB", (5, 4)).save(folder / "small.png")
    table = PairTable(write(folder, "reference,distorted,score\na.png,small.png,1\n"))
    for source in (Subset(table, [0]), Concatenated([table])):
        with pytest.raises(InputError, match=r"/small\.png: size"):
            source[0]
