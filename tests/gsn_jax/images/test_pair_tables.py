import pytest

from gsn_jax.errors import InputError
from gsn_jax.images import pair_tables


def write(path, text, encoding="utf-8"):
    path.write_bytes(text.encode(encoding))
    return path


def test_rows_with_their_lines_and_problems(tmp_path):
    table = write(
        tmp_path / "t.csv",
        "reference, distorted,note\nr.png, d.png,first\n\nr.png,d.png\n,d.png,x\nr.png,,x\n",
    )
    rows = list(pair_tables.read_rows(table))
    assert [row.line for row in rows] == [2, 4, 5, 6]
    assert rows[0].fields == {"reference": "r.png", "distorted": "d.png", "note": "first"}
    assert [row.problem for row in rows] == [
        "",
        "2 fields, but the header has 3",
        "no reference given",
        "no distorted given",
    ]


def test_a_byte_order_mark_is_no_part_of_the_header(tmp_path):
    table = write(tmp_path / "t.csv", "reference,distorted\nä.png,b.png\n", "utf-8-sig")
    assert next(iter(pair_tables.read_rows(table))).fields["reference"] == "ä.png"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "line 1: the header lacks reference, distorted"),
        ("reference,score\n", "line 1: the header lacks distorted"),
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
    with pytest.raises(InputError, match="cannot be read"):
        list(pair_tables.read_rows(tmp_path))
    table = write(tmp_path / "latin.csv", "reference,distorted\nä.png,b.png\n", "latin-1")
    with pytest.raises(InputError, match="not UTF-8"):
        list(pair_tables.read_rows(table))


def test_paths_stay_in_the_folder_of_the_table(tmp_path):
    table = tmp_path / "t.csv"
    assert pair_tables.resolve(table, "a/../b.png") == tmp_path / "b.png"
    assert str(pair_tables.resolve(table, "/else/where.png")) == "/else/where.png"
    for name in ("../b.png", "a/../../b.png", ".."):
        with pytest.raises(InputError, match="outside the table's folder"):
            pair_tables.resolve(table, name)
