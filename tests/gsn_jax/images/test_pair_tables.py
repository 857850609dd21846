import pytest

from gsn_jax.errors import InputError
from gsn_jax.images import pair_tables


def write(path, text, encoding="utf-8"):
    path.write_bytes(text.encode(encoding))
    return path


def test_rows_with_their_lines_and_problems(tmp_path):
    table = write(
        tmp_path / "t.csv",
        "reference, distorted,note\nr.png, d.png,first\n\nr.png,d.png\n,d.png,x\nr.png,,x\nr.png\n",
    )
    rows = list(pair_tables.read_rows(table))
    assert [row.line for row in rows] == [2, 4, 5, 6, 7]
    assert rows[0].fields == {"reference": "r.png", "distorted": "d.png", "note": "first"}
    assert [row.problem for row in rows] == [
        "",
        "2 fields, but the header has 3; correct the row, and quote names with commas",
        "no reference given; name the image, or remove the row",
        "no distorted given; name the image, or remove the row",
        "1 field, but the header has 3; correct the row, and quote names with commas",
    ]


def test_a_byte_order_mark_is_no_part_of_the_header(tmp_path):
    table = write(tmp_path / "t.csv", "reference,distorted\nä.png,b.png\n", "utf-8-sig")
    assert next(iter(pair_tables.read_rows(table))).fields["reference"] == "ä.png"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "line 1: the header lacks reference, distorted"),
        ("reference,score\n", "line 1: the header lacks distorted"),
        ("Reference,Distorted\n", "lacks .*; write Reference, Distorted in lower case"),
        ("reference,distorted,reference\n", "occurs twice"),
        ('reference,distorted\n"a,b\n', "not valid CSV"),
    ],
)
def test_a_broken_table_is_named(tmp_path, content, message):
    table = write(tmp_path / "t.csv", content)
    with pytest.raises(InputError, match=rf"t\.csv.*{message}"):
        list(pair_tables.read_rows(table))


def test_files_that_are_no_table(tmp_path):
    with pytest.raises(InputError, match="no such table"):
        list(pair_tables.read_rows(tmp_path / "none.csv"))
    with pytest.raises(InputError, match=r"is a folder, not a CSV table; .* --reference-dir"):
        list(pair_tables.read_rows(tmp_path))
    table = write(tmp_path / "latin.csv", "reference,distorted\nä.png,b.png\n", "latin-1")
    with pytest.raises(InputError, match="not UTF-8"):
        list(pair_tables.read_rows(table))


@pytest.mark.parametrize("text", ["reference,distorted\n", "reference,distorted,mos\n\n , ,\n"])
def test_a_table_without_pairs_is_refused(tmp_path, text):
    table = write(tmp_path / "t.csv", text)
    with pytest.raises(InputError, match=r"t.csv: no pairs below the header line; add some"):
        list(pair_tables.read_rows(table))


def test_paths_stay_in_the_folder_of_the_table(tmp_path):
    table = tmp_path / "t.csv"
    assert pair_tables.resolve(table, "a/../b.png") == tmp_path / "b.png"
    assert str(pair_tables.resolve(table, "/else/where.png")) == "/else/where.png"
    for name in ("../b.png", "a/../../b.png", ".."):
        with pytest.raises(InputError, match="outside the table's folder"):
            pair_tables.resolve(table, name)
    with pytest.raises(InputError, match=r"'a\\x00\.png': a file name has no null bytes"):
        pair_tables.resolve(table, "a\0.png")


@pytest.mark.parametrize("ending", [",", ",,", ", ,"])
def test_columns_without_a_name_are_left_out(tmp_path, ending):
    """Excel writes them where cells were once in use."""
    lines = [f"reference,distorted,mos{ending}", f"r.png,d.png,3{ending}", "r.png,e.png,4"]
    table = write(tmp_path / "t.csv", "\n".join(lines) + "\n")
    rows = list(pair_tables.read_rows(table))
    assert [row.fields for row in rows] == [
        {"reference": "r.png", "distorted": "d.png", "mos": "3"},
        {"reference": "r.png", "distorted": "e.png", "mos": "4"},
    ]
    assert [row.problem for row in rows] == ["", ""]


@pytest.mark.parametrize(
    ("text", "encoding", "message"),
    [
        ("reference;distorted\nr.png;d.png\n", "utf-8", "separates columns by semicolons"),
        ("reference\tdistorted\nr.png\td.png\n", "utf-8", "separates columns by tabs"),
        ("reference,distorted\nr.png,d.png\n", "utf-16", "UTF-16 text"),
        ("reference\tdistorted\nr.png\td.png\n", "utf-16-le", "UTF-16 text"),
    ],
)
def test_what_a_spreadsheet_saves_instead_is_named(tmp_path, text, encoding, message):
    table = write(tmp_path / "t.csv", text, encoding)
    with pytest.raises(InputError, match=message):
        list(pair_tables.read_rows(table))


def test_a_name_in_another_unicode_form_is_found(tmp_path):
    """Folders copied from a Mac have decomposed names."""
    composed, decomposed = "é.png", "e\u0301.png"
    for here, there in ((composed, decomposed), (decomposed, composed)):
        folder = tmp_path / str(len(here))
        folder.mkdir()
        (folder / here).touch()
        assert pair_tables.resolve(folder / "t.csv", there) == folder / here
        assert pair_tables.resolve(folder / "t.csv", here) == folder / here
    (folder / there).touch()
    assert pair_tables.resolve(folder / "t.csv", there) == folder / there
    assert pair_tables.resolve(folder / "t.csv", "ü.png") == folder / "ü.png"
