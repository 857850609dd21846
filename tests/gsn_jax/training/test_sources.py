import numpy as np
import pytest
from ml_collections import ConfigDict

import data_pipelines
from data_pipelines.tables import PairTable
from gsn_jax.errors import InputError
from gsn_jax.training.sources import open_sources, thin_out


def section(train, evaluation=(), fraction=0.25):
    return ConfigDict({"train": train, "eval": evaluation, "eval_fraction": fraction})


@pytest.fixture
def mos(pairs):
    """The table of pairs with scores from 1 to 9."""
    path = pairs.parent / "mos.csv"
    header, *rows = pairs.read_text().splitlines()
    scaled = [row.rsplit(",", 1) for row in rows]
    lines = [f"{names},{1 + 8 * float(score)}" for names, score in scaled]
    path.write_text("\n".join([header, *lines]) + "\n")
    return path


def test_references_are_held_out_whole(pairs):
    train, held_out = open_sources(section((str(pairs),)), seed=0)
    assert not set(train.reference_ids) & set(held_out.reference_ids)
    assert len(set(held_out.reference_ids)) == 1
    assert len(train) + len(held_out) == 16


def test_scores_of_another_range_are_mapped(pairs, mos):
    plain, _ = open_sources(section((str(pairs),), fraction=0), seed=0)
    up, _ = open_sources(section((str(mos), 1, 9), fraction=0), seed=0)
    np.testing.assert_allclose(up.quality, plain.quality, atol=1e-6)
    both, _ = open_sources(section(((str(mos), 9, 1), str(pairs)), fraction=0), seed=0)
    np.testing.assert_allclose(both.quality[:16], 1 - plain.quality, atol=1e-6)
    np.testing.assert_allclose(both.quality[16:], plain.quality, atol=1e-6)


def test_a_range_counts_more_than_a_column_of_qualities(pairs):
    header, *rows = pairs.read_text().splitlines()
    lines = [f"{header},quality", *(f"{row},0.5" for row in rows)]
    both = pairs.parent / "both.csv"
    both.write_text("\n".join(lines) + "\n")
    source, _ = open_sources(section((str(both), 0, 2), fraction=0), seed=0)
    np.testing.assert_allclose(source.quality, source.fields["score"] / 2, atol=1e-6)


def test_a_content_of_two_tables_stays_on_one_side(pairs):
    """Groups of tables mean the same everywhere, ids of prepared sets only there."""
    header, *rows = pairs.read_text().splitlines()
    second = pairs.parent / "second.csv"
    second.write_text("\n".join([header, *reversed(rows)]) + "\n")
    train, held_out = open_sources(section((str(pairs), str(second))), seed=0)
    assert not set(train.reference_ids) & set(held_out.reference_ids)
    assert len(held_out) == 8  # of one content in both tables


def test_a_prepared_set_takes_another_range(mos, monkeypatch):
    prepared = PairTable(mos, score_range=(0, 10))
    monkeypatch.setattr(data_pipelines, "load", lambda name, split: prepared)
    source, _ = open_sources(section(("some_set:train", 1, 9.5), fraction=0), seed=0)
    np.testing.assert_allclose(source.quality, (prepared.fields["score"] - 1) / 8.5, atol=1e-6)
    assert source[3]["quality"] == source.quality[3]
    np.testing.assert_array_equal(source[3]["distorted"], prepared[3]["distorted"])
    with pytest.raises(InputError, match="lie outside 8 to 9; give a wider range"):
        open_sources(section(("some_set:train", 8, 9), fraction=0), seed=0)


def test_a_repeated_name_is_opened_once(pairs, mos):
    names = (str(pairs), (str(mos), 1, 9), str(pairs))
    source, _ = open_sources(section(names, fraction=0), seed=0)
    assert len(source) == 48
    assert source.reference_key(0) == source.reference_key(32) != source.reference_key(16)


def test_a_range_is_needed_for_scores_beyond_one(mos):
    with pytest.raises(InputError, match=r"mos\.csv, line 2: score .* lies outside") as error:
        open_sources(section((str(mos),)), seed=0)
    assert "lies outside [0, 1]; state the range" in str(error.value)
    assert "gsn train: name the table as ('PATH.csv', worst, best)" in str(error.value)
    with pytest.raises(InputError, match=r"outside \[0, 2\]; correct the range or the score"):
        open_sources(section((str(mos), 0, 2)), seed=0)


def test_an_evaluation_set_is_opened_as_it_is(pairs, mos):
    train, held_out = open_sources(section((str(pairs),), ((str(mos), 1, 9),)), seed=0)
    assert len(train) == len(held_out) == 16


def test_entries_of_another_form_are_refused(pairs):
    with pytest.raises(InputError, match="5 is neither a table nor a data set; give"):
        open_sources(section((str(pairs), 5)), seed=0)
    with pytest.raises(InputError, match="neither a table nor a data set"):
        open_sources(section(((str(pairs), 0),)), seed=0)
    with pytest.raises(InputError, match="nonsense"):
        open_sources(section(("nonsense:train",)), seed=0)


def test_thinning_keeps_both_ends(pairs):
    train, _ = open_sources(section((str(pairs),), fraction=0), seed=0)
    few = thin_out(train, 3)
    assert [few[i]["quality"] for i in (0, 2)] == [train[i]["quality"] for i in (0, 15)]
    assert thin_out(train, 0) is train
    assert thin_out(train, 99) is train


def test_equal_labels_are_nothing_to_learn_from(pairs):
    table = pairs.parent / "equal.csv"
    header, *rows = pairs.read_text().splitlines()
    table.write_text("\n".join([header, *(f"{row.rsplit(',', 1)[0]},0.5" for row in rows)]) + "\n")
    with pytest.raises(InputError, match=r"data\.train: all 16 labels are 0\.5; training needs"):
        open_sources(section((str(table),)), seed=0)
