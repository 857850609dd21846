import csv
import shutil

import numpy as np
import pytest
from PIL import Image

from gsn_jax import metrics
from gsn_jax.benchmark import resumable_scoring, score_store, scoring_run
from gsn_jax.benchmark.judged_sets import open_table
from gsn_jax.benchmark.score_store import ScoreStore
from gsn_jax.errors import InputError


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


# Two programs may round 8-bit samples differently on their way to [0, 1], each by up to 2**-24. At
# 36 dB, where errors are .016, this changes the mean square by up to 1.5e-5 of itself.
ROUNDING_OF_PSNR = 1e-4


def test_scores_are_the_metrics_own(judged_table, tmp_path):
    psnr = metrics.get("psnr")
    scored = resumable_scoring.scored_set(
        judged_table, [psnr, metrics.get("gmsd")], tmp_path / "out"
    )
    for index in range(8):
        want = float(psnr(*judged_table.source.files(index)))
        assert scored.metrics["psnr"].values[index] == pytest.approx(want, abs=ROUNDING_OF_PSNR)
    assert scored.metrics["psnr"].higher_is_better
    assert not scored.metrics["gmsd"].higher_is_better
    with open(tmp_path / "out" / "people" / "scores.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["content"] for row in rows] == ["s0"] * 4 + ["s1"] * 4
    assert [float(row["psnr"]) for row in rows] == scored.metrics["psnr"].values.tolist()
    assert float(rows[0]["opinion"]) == 86


def test_batches_give_the_same_scores(judged_table, counting):
    metric = metrics.get("gmsd")
    single = resumable_scoring.scored_set(judged_table, [metric, counting()])
    batches = resumable_scoring.scored_set(judged_table, [metric, counting()], batch_size=1)
    for name in ("gmsd", "difference"):
        np.testing.assert_allclose(
            batches.metrics[name].values, single.metrics[name].values, rtol=1e-5, atol=1e-5
        )


@pytest.mark.parametrize("dies_at", [0, 3, 7])
def test_an_interrupted_run_continues_and_equals_an_uninterrupted_one(
    judged_table, tmp_path, counting, dies_at
):
    whole = resumable_scoring.scored_set(judged_table, [counting()], tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        resumable_scoring.scored_set(judged_table, [counting(dies_at=dies_at)], tmp_path / "out")
    rest = counting()
    seen = []
    again = resumable_scoring.scored_set(
        judged_table, [rest], tmp_path / "out", progress=lambda *count: seen.append(count)
    )
    assert rest.calls == 8 - dies_at
    assert seen[0] == (dies_at, 8)
    assert seen[-1] == (8, 8)
    np.testing.assert_array_equal(
        again.metrics["difference"].values, whole.metrics["difference"].values
    )
    assert files(tmp_path / "out" / "people") == files(tmp_path / "whole" / "people")


def test_a_killed_run_loses_no_score(judged_table, tmp_path, counting):
    """The folder as it is after each pair, which is what a killed run leaves."""
    out, left = tmp_path / "out", tmp_path / "left"
    kept = []

    def kill(done, total):
        shutil.copytree(out, left, dirs_exist_ok=True)
        if done:
            kept.append(np.isfinite(kept_values(judged_table, left)).sum())

    resumable_scoring.scored_set(judged_table, [counting()], out, progress=kill)
    assert kept == [*range(1, 9)]


def kept_values(judged, out):
    return resumable_scoring.kept_set(judged, None, out)[0].metrics["difference"].values


def test_one_run_at_a_time_scores_into_a_folder(judged_table, tmp_path, counting):
    """Of two that each save all that they know, the later one would forget the other's scores."""
    out = tmp_path / "out"

    def start_another(*_):
        with pytest.raises(
            InputError, match=r"people: another run is writing to this folder; wait"
        ):
            resumable_scoring.scored_set(judged_table, [counting("second")], out)

    resumable_scoring.scored_set(judged_table, [counting("first")], out, progress=start_another)
    scored = resumable_scoring.scored_set(
        judged_table, [counting("second"), counting("first")], out
    )
    assert list(scored.metrics) == ["second", "first"]


def test_a_metric_added_later_is_the_only_one_scored(judged_table, tmp_path, counting):
    first, second = counting("first"), counting("second")
    resumable_scoring.scored_set(judged_table, [first], tmp_path)
    scored = resumable_scoring.scored_set(judged_table, [second, first], tmp_path)
    assert (first.calls, second.calls) == (8, 8)
    assert list(scored.metrics) == ["second", "first"]
    nothing_left = counting("first")
    resumable_scoring.scored_set(judged_table, [nothing_left], tmp_path)
    assert nothing_left.calls == 0


def test_a_reference_is_decoded_once(judged_table, counting, monkeypatch):
    """Even where the pairs of a reference do not follow one another."""
    source = judged_table.source
    order = np.argsort([index % 4 for index in range(8)], kind="stable")
    loads = []
    load = type(source).load_reference
    monkeypatch.setattr(
        type(source), "load_reference", lambda self, i: loads.append(i) or load(self, int(order[i]))
    )
    scoring_run.score_set(ScoreStore(judged_table), [counting("a"), counting("b")])
    assert len(loads) == 2


def test_pairs_that_fail_are_named_and_others_are_scored(table, tmp_path, photo, counting):
    (tmp_path / "d0_12.png").write_bytes(b"no image")
    Image.fromarray(photo[:48, :40]).save(tmp_path / "d0_30.png")
    Image.fromarray(photo[:16, :16]).save(tmp_path / "ref1.png")
    Image.fromarray(photo[8:24, :16]).save(tmp_path / "d1_4.png")
    (tmp_path / "d1_12.png").unlink()
    rows = [row for row in table.read_text().splitlines() if "d1_" not in row or "d1_4" in row]
    table.write_text("\n".join([*rows, "ref0.png,ref0.png,100,s0,none"]) + "\n")
    scored = resumable_scoring.scored_set(
        open_table(table), [counting(), metrics.get("psnr")], tmp_path
    )
    difference, psnr = scored.metrics.values()
    assert np.isnan(difference.values).tolist() == [False, True, True, False, True, False]
    assert "d0_12.png" in difference.errors[1]
    assert "size 40 x 48 differs" in difference.errors[2]
    assert difference.errors[4] == "too small for this metric"
    assert psnr.errors[5] == "the score is inf"
    lines = resumable_scoring.left_out(scored)
    assert len(lines) == 4
    assert "d0_12.png: left out of every metric" in lines[0]
    assert "d1_4.png: left out of difference: too small" in lines[2]
    assert resumable_scoring.left_out(scored, most=1)[-1] == "... and 3 more; 4 pairs are affected"

    repaired = Image.open(tmp_path / "ref0.png")
    kept = resumable_scoring.scored_set(open_table(table), [metrics.get("psnr")], tmp_path)
    assert kept.metrics["psnr"].errors == psnr.errors
    repaired.save(tmp_path / "d0_12.png")
    with pytest.raises(InputError, match="scores of other images"):
        resumable_scoring.scored_set(open_table(table), [metrics.get("psnr")], tmp_path)


def test_rescore_tries_failed_pairs_again(judged_table, tmp_path, counting, monkeypatch):
    source = type(judged_table.source)
    load = source.load_distorted

    def broken(self, index):
        if index == 2:
            raise InputError("the disk was away")
        return load(self, index)

    monkeypatch.setattr(source, "load_distorted", broken)
    scored = resumable_scoring.scored_set(judged_table, [counting()], tmp_path)
    assert scored.metrics["difference"].errors == {2: "the disk was away"}
    monkeypatch.setattr(source, "load_distorted", load)
    again = counting()
    scored = resumable_scoring.scored_set(judged_table, [again], tmp_path, rescore=True)
    assert again.calls == 1
    assert scored.metrics["difference"].errors == {}
    assert np.isfinite(scored.metrics["difference"].values).all()


def test_a_pair_that_runs_out_of_memory_does_not_end_the_run(judged_table, counting, monkeypatch):
    source = type(judged_table.source)
    load = source.load_distorted

    def greedy(self, index):
        if index == 2:
            raise MemoryError
        return load(self, index)

    monkeypatch.setattr(source, "load_distorted", greedy)
    scored = resumable_scoring.scored_set(judged_table, [counting()])
    assert list(scored.metrics["difference"].errors) == [2]
    assert "not enough memory" in scored.metrics["difference"].errors[2]


def test_scores_under_another_name_are_not_forgotten(table, tmp_path, counting):
    resumable_scoring.scored_set(open_table(table), [counting(), counting("other")], tmp_path)
    (tmp_path / "people").rename(tmp_path / "renamed")
    renamed = open_table(table.rename(table.with_name("renamed.csv")))
    with pytest.raises(InputError, match="contains the scores of people; name table and folder"):
        resumable_scoring.scored_set(renamed, [counting()], tmp_path)


def test_scores_of_another_version_are_refused_or_replaced(
    judged_table, tmp_path, counting, monkeypatch
):
    resumable_scoring.scored_set(judged_table, [counting(), counting("other")], tmp_path)
    monkeypatch.setattr(score_store, "__version__", "9.9.9")
    with pytest.raises(InputError, match=r"difference scores were computed by gsn_jax .*9\.9\.9"):
        resumable_scoring.scored_set(judged_table, [counting()], tmp_path)
    kept, passed_over = resumable_scoring.kept_set(judged_table, ["difference", "gsn"], tmp_path)
    assert list(kept.metrics) == ["difference"]
    assert "no scores" in passed_over["gsn"]
    again = counting()
    scored = resumable_scoring.scored_set(judged_table, [again], tmp_path, rescore=True)
    assert again.calls == 8
    assert scored.metrics["difference"].version == "gsn_jax 9.9.9"
    columns = ScoreStore(judged_table, tmp_path / "people").columns
    assert columns["difference"].package == "9.9.9"
    assert columns["other"].package != "9.9.9"
    assert columns["other"].scored.all()


def test_labels_may_change_images_may_not(table, tmp_path, counting):
    resumable_scoring.scored_set(open_table(table), [counting()], tmp_path)
    table.write_text(table.read_text().replace(",86,", ",85,"))
    untouched = counting()
    scored = resumable_scoring.scored_set(open_table(table), [untouched], tmp_path)
    assert untouched.calls == 0
    assert scored.source.fields["score"][0] == 85
    image = np.array(Image.open(tmp_path / "d1_70.png"))
    Image.fromarray(255 - image).save(tmp_path / "d1_70.png")
    with pytest.raises(
        InputError, match="other images under the name people; choose another --out"
    ):
        resumable_scoring.scored_set(open_table(table), [counting()], tmp_path)
    again = counting()
    resumable_scoring.scored_set(open_table(table), [again], tmp_path, rescore=True)
    assert again.calls == 8


def test_tables_can_be_made_of_half_a_run(judged_table, tmp_path, counting):
    with pytest.raises(KeyboardInterrupt):
        resumable_scoring.scored_set(judged_table, [counting(dies_at=5)], tmp_path)
    kept, _ = resumable_scoring.kept_set(judged_table, None, tmp_path)
    assert np.isfinite(kept.metrics["difference"].values).sum() == 5
    assert set(kept.metrics["difference"].errors.values()) == {"not scored yet"}
    with pytest.raises(InputError, match="people: contains no scores of these"):
        resumable_scoring.kept_set(judged_table, None, tmp_path / "elsewhere")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: "{", "scores.jsonl: damaged"),
        (
            lambda text: text.replace("higher_is_better", "h"),
            "damaged .'higher_is_better'.; remove",
        ),
        (lambda text: text.replace("[7, ", "[8, "), "scores.jsonl: damaged"),
        (lambda text: text.replace('{"difference": 0', '{"another": 0'), "damaged .'another'."),
        (None, "has a scores.csv but no scores.jsonl"),
    ],
)
def test_a_damaged_folder_is_refused(judged_table, tmp_path, counting, change, message):
    resumable_scoring.scored_set(judged_table, [counting()], tmp_path)
    store = tmp_path / "people" / "scores.jsonl"
    text = store.read_text()
    store.unlink()
    if change is not None:
        store.write_text(change(text))
    with pytest.raises(InputError, match=message):
        resumable_scoring.scored_set(judged_table, [counting()], tmp_path)


def test_a_folder_that_cannot_be_written_is_found_out_before_scoring(
    judged_table, tmp_path, counting
):
    (tmp_path / "out").write_text("a file")
    metric = counting()
    with pytest.raises(InputError, match="cannot be written"):
        resumable_scoring.scored_set(judged_table, [metric], tmp_path / "out")
    assert metric.calls == 0


def test_time_is_measured_once(judged_table, tmp_path, counting):
    metric = counting()
    scored = resumable_scoring.scored_set(judged_table, [metric], tmp_path, time_pairs=3)
    assert metric.calls == 8 + 1 + 3  # the first turn compiles
    assert scored.metrics["difference"].seconds > 0
    again = resumable_scoring.scored_set(judged_table, [metric], tmp_path, time_pairs=3)
    assert metric.calls == 12
    assert again.metrics["difference"].seconds == scored.metrics["difference"].seconds
    resumable_scoring.scored_set(judged_table, [metric], tmp_path, time_pairs=2, time_again=True)
    assert metric.calls == 12 + 1 + 2
    untimed = resumable_scoring.scored_set(judged_table, [counting("b")], tmp_path)
    assert np.isnan(untimed.metrics["b"].seconds)
