"""The folds of a cross-validation, and what its models learn from."""

import csv
import json

import cross_validate
import pytest

from gsn_jax.errors import InputError


def row(group, kind, level, score):
    pair = {"reference": "r.png", "distorted": "d.png", "group": group}
    return {**pair, "type": kind, "level": level, "score": score}


def test_opinions_are_carried_from_the_training_scenes_alone():
    known = [row("a", "jpeg", "1", "6.0"), row("b", "jpeg", "1", "5.0"), row("a", "blur", "2", "3")]
    others = [
        row("x", "jpeg", "1", "0.8"),
        row("x", "blur", "2", "0.7"),
        row("x", "blur", "5", "0"),
    ]
    carried = cross_validate.carried(others, known)
    assert [(r["group"], r["type"], float(r["score"])) for r in carried] == [
        ("x", "jpeg", 5.5),
        ("x", "blur", 3.0),
    ]


def test_overrides_may_follow_the_options():
    command = ["gsn", "runs/folds", "--data", "x", "--only", "0,3", "--", "--config.train.steps=9"]
    options = cross_validate.parse(command)
    assert (options.config, options.by, options.only) == ("gsn", "scene", [0, 3])
    assert options.overrides == ["--config.train.steps=9"]


def test_the_folds_are_those_of_the_model_cards():
    scenes = [f"I{number:02d}" for number in range(1, 19)]
    assert cross_validate.fold_groups([*scenes, *scenes]) == [
        {"I03", "I04", "I11", "I13"},
        {"I01", "I05", "I06", "I08"},
        {"I12", "I14", "I15", "I17"},
        {"I07", "I10", "I18"},
        {"I02", "I09", "I16"},
    ]


def test_a_family_is_left_out_with_its_mixtures():
    rows = [row("a", kind, "1", "5") for kind in ("jpeg", "white_noise", "contrast", "jpeg2000")]
    parts = cross_validate.divide(rows, "family")
    assert parts == [{"jpeg", "jpeg2000"}, {"white_noise"}, {"contrast"}]
    held_out = cross_validate.member("family", parts[0])
    assert held_out(rows[3])
    assert held_out(row("x", "gaussian_blur+jpeg", "2", "0.5"))
    assert not held_out(row("x", "gaussian_blur+white_noise", "2", "0.5"))


def test_tables_of_a_part(tmp_path):
    """Every source without what is held out; labels like TID2013's are carried over again."""
    human = [row(scene, "jpeg", "1", score) for scene, score in (("a", "6"), ("b", "4"))]
    human.append(row("b", "contrast", "1", "2"))
    paths = []
    for name, like in (("like", "tid2013"), ("own", "")):
        folder = tmp_path / name
        others = [row("x", "jpeg", "1", "0.8"), row("x", "contrast", "1", "0.3")]
        cross_validate.write_rows(folder / "pairs.csv", others)
        (folder / "synthesis.json").write_text(json.dumps({"like": like}))
        paths.append(str(folder / "pairs.csv"))

    def scores(source, by, part):
        held_out = cross_validate.member(by, part)
        table, low, high = cross_validate.table_of(source, human, held_out, tmp_path / "part")
        with open(table, encoding="utf-8", newline="") as file:
            return [float(r["score"]) for r in csv.DictReader(file)], low, high

    source = (cross_validate.HUMAN, 0, 7.25)
    assert scores(source, "scene", {"a"}) == ([4.0, 2.0], 0, 7.25)
    assert scores(paths[0], "scene", {"a"}) == ([4.0, 2.0], 0, 7.25)
    assert scores(paths[1], "scene", {"a"}) == ([0.8, 0.3], 0, 1)
    assert scores(source, "type", {"contrast"}) == ([6.0, 4.0], 0, 7.25)
    assert scores(paths[0], "type", {"contrast"}) == ([5.0], 0, 7.25)
    assert scores(paths[1], "type", {"contrast"}) == ([0.8], 0, 1)


@pytest.mark.parametrize("content", [None, "{", "{}", "[]"])
def test_a_table_that_was_not_synthesized_is_refused(tmp_path, content):
    table = cross_validate.write_rows(tmp_path / "own" / "pairs.csv", [row("x", "jpeg", "1", "1")])
    if content is not None:
        table.with_name("synthesis.json").write_text(content)
    held_out = cross_validate.member("scene", {"a"})
    with pytest.raises(InputError, match=r"own/pairs\.csv: no synthesis\.json beside it"):
        cross_validate.table_of(str(table), [], held_out, tmp_path / "part")
    assert not (tmp_path / "part").exists()


def test_parts_that_do_not_exist_are_refused_before_the_training(tmp_path, monkeypatch):
    monkeypatch.setattr(cross_validate.regenerate_tid2013, "regenerate", lambda *_: None)
    monkeypatch.setattr(
        cross_validate, "read_rows", lambda _: [{"group": str(k)} for k in range(9)]
    )
    command = ["gsn", str(tmp_path), "--data", str(tmp_path), "--only", "0,9"]
    with pytest.raises(InputError, match="--only 9: the parts are 0 to 4"):
        cross_validate.cross_validate(cross_validate.parse(command))


def test_wrong_input_is_one_line(tmp_path, monkeypatch, capsys):
    command = ["cross_validate", "none", str(tmp_path / "out"), "--data", str(tmp_path)]
    monkeypatch.setattr("sys.argv", command)
    with pytest.raises(SystemExit, match="2"):
        cross_validate.main()
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("cross_validate: ")
    assert "none" in line
    assert not (tmp_path / "out").exists()
