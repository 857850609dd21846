"""The evaluations that a run leaves; that a continued run leaves the same is in test_loop.py."""

import pytest

from gsn_jax.training.history import add_evaluation, forget_evaluations_after, read_evaluations

FIRST = {"srcc": 0.25, "plcc": 0.1 + 0.2, "main_score": 0.55}
SECOND = {"srcc": float("nan"), "plcc": -0.5, "main_score": float("nan")}


def test_what_is_added_is_read_exactly(tmp_path):
    assert read_evaluations(tmp_path) == []
    add_evaluation(tmp_path, 50, FIRST)
    add_evaluation(tmp_path, 100, SECOND)
    first, second = read_evaluations(tmp_path)
    assert first == {"step": 50} | FIRST
    assert second == pytest.approx({"step": 100} | SECOND, nan_ok=True)
    assert [file.name for file in tmp_path.iterdir()] == ["evaluations.csv"]


def test_an_evaluation_that_is_repeated_is_replaced(tmp_path):
    add_evaluation(tmp_path, 50, SECOND)
    add_evaluation(tmp_path, 50, FIRST)
    assert read_evaluations(tmp_path) == [{"step": 50} | FIRST]


@pytest.mark.parametrize(("step", "left"), [(0, []), (99, [50]), (100, [50, 100])])
def test_a_continued_run_forgets_what_it_will_evaluate_again(step, left, tmp_path):
    add_evaluation(tmp_path, 50, FIRST)
    add_evaluation(tmp_path, 100, FIRST)
    forget_evaluations_after(tmp_path, step)
    assert [row["step"] for row in read_evaluations(tmp_path)] == left
