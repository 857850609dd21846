"""The folds of a cross-validation, and what its models learn from."""

import cross_validate


def row(group, kind, level, score):
    return {"group": group, "type": kind, "level": level, "score": score}


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
    command = ["gsn", "pairs.csv", "runs/folds", "--folds", "4", "--", "--config.train.steps=9"]
    options = cross_validate.parse(command)
    assert (options.config, options.folds) == ("gsn", 4)
    assert options.overrides == ["--config.train.steps=9"]


def test_the_folds_are_those_of_the_model_cards():
    scenes = [f"I{number:02d}" for number in range(1, 19)]
    assert cross_validate.fold_groups([*scenes, *scenes], folds=5, seed=0) == [
        {"I03", "I04", "I11", "I13"},
        {"I01", "I05", "I06", "I08"},
        {"I12", "I14", "I15", "I17"},
        {"I07", "I10", "I18"},
        {"I02", "I09", "I16"},
    ]
