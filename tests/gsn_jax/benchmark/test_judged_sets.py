import numpy as np
import pytest

from data_pipelines import catalogue
from gsn_jax import metrics
from gsn_jax.benchmark import resumable_scoring
from gsn_jax.benchmark.judged_sets import TableColumns, check_names, open_prepared, open_table
from gsn_jax.errors import InputError


def test_usual_columns_are_found(judged_table):
    source = judged_table.source
    assert judged_table.name == "people"
    assert source.fields["score"].tolist() == [86, 78, 60, 20] * 2
    assert source.reference_ids == ["s0"] * 4 + ["s1"] * 4
    assert source.fields["distortion_type"].tolist() == ["mild", "mild", "strong", "strong"] * 2
    np.testing.assert_allclose(source.quality[[0, 3]], [1, 0])


def test_columns_can_be_named(table):
    columns = TableColumns(score="mos", content="reference", kind="scene", lower_is_better=True)
    judged = open_table(table, columns)
    assert judged.source.reference_ids[0] == "ref0.png"
    assert judged.source.fields["distortion_type"][0] == "s0"
    np.testing.assert_allclose(judged.source.quality[[0, 3]], [0, 1])
    assert judged.identity == open_table(table).identity


def test_contents_are_references_where_no_column_says_so(table):
    table.write_text(table.read_text().replace("scene", "place"))
    judged = open_table(table)
    assert set(judged.source.reference_ids) == {"ref0.png", "ref1.png"}


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (TableColumns(score="opinion"), "no column opinion with opinion scores; name one with"),
        (TableColumns(content="photo"), "photo .--content-column.; the table has reference,"),
        (TableColumns(kind="method"), "no column method .--type-column"),
        (TableColumns(score_range=(0, 50)), "line 2: score 86 lies outside"),
    ],
)
def test_missing_columns_are_named(table, columns, message):
    with pytest.raises(InputError, match=message):
        open_table(table, columns)


def test_a_table_without_scores_or_rows_is_refused(table):
    table.write_text(table.read_text().replace("mos", "opinion"))
    with pytest.raises(InputError, match="no column score or mos"):
        open_table(table)
    table.write_text("reference,distorted,mos\n")
    with pytest.raises(InputError, match="no pairs below the header"):
        open_table(table)


def test_equal_scores_and_scores_in_the_unit_interval_need_no_range(table):
    lines = table.read_text().splitlines()
    equal = [lines[0], *(",".join([*line.split(",")[:2], "7,s,t"]) for line in lines[1:])]
    table.write_text("\n".join(equal))
    assert open_table(table).source.quality.tolist() == [0.5] * 8
    table.write_text("\n".join(equal).replace(",7,", ",0.25,"))
    assert open_table(table).source.quality.tolist() == [0.25] * 8


def test_identity_follows_the_images(table, tmp_path):
    before = open_table(table).identity
    image = tmp_path / "d0_4.png"
    image.write_bytes(image.read_bytes()[:-1] + b"x")
    assert open_table(table).identity != before


def test_pairs_csv_is_called_like_its_folder_and_names_may_not_collide(table):
    plain = table.rename(table.with_name("pairs.csv"))
    judged = open_table(plain)
    assert judged.name == table.parent.name
    check_names([judged])
    with pytest.raises(InputError, match="two data sets are called"):
        check_names([judged, judged])


def test_a_prepared_set(table, tmp_path):
    text = table.read_text().replace("mos", "score").replace("scene", "group")
    (tmp_path / "pairs.csv").write_text(text)
    catalogue.prepare("iqa_table", tmp_path, tmp_path / "data", score_range=(0, 100))
    judged = open_prepared("iqa_table", data_dir=tmp_path / "data")
    assert judged.name == "iqa_table"
    assert judged.source.fields["score"].tolist() == [86, 78, 60, 20] * 2
    assert judged.identity == open_prepared("iqa_table", data_dir=tmp_path / "data").identity
    part = open_prepared("iqa_table", "train", tmp_path / "data")
    assert part.name == "iqa_table-train"
    assert part.identity != judged.identity
    scored = resumable_scoring.scored_set(
        judged, [metrics.get("psnr")], tmp_path / "out", time_pairs=1
    )
    assert scored.metrics["psnr"].values.argsort().tolist()[-1] in (0, 4)
    with pytest.raises(InputError, match="not prepared"):
        open_prepared("iqa_table", data_dir=tmp_path / "elsewhere")


def test_real_opinions_need_no_options(gsn_data):
    judged = open_table(gsn_data / "srij-dev" / "pairs.csv")
    assert judged.name == "srij-dev"
    assert len(judged.source) == 323
    assert len(set(judged.source.reference_ids)) == 7
