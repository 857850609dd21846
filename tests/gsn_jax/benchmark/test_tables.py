import csv
import io
import math

import numpy as np
import pytest
import rich.console

from gsn_jax.benchmark import agreement_tables, poster_table, published
from gsn_jax.benchmark.agreement_rows import judge
from gsn_jax.benchmark.scored_set import MetricScores, ScoredSet
from gsn_jax.benchmark.text_tables import Cell, TextTable, to_latex, to_markdown, to_rich


@pytest.fixture
def judged(make_set, rng):
    """Four metrics on TID2013 as far as the name goes: good, middling, opposite, constant."""
    opinion = rng.uniform(0, 9, size=60)
    scored = make_set(
        opinion,
        {
            "gsn": opinion + rng.normal(scale=0.5, size=60),
            "psnr": opinion + rng.normal(scale=4, size=60),
            "ssim": -opinion + rng.normal(scale=1, size=60),
            "odd": np.ones(60),
        },
        contents=[f"c{i % 6}" for i in range(60)],
        types=["a" if i % 2 else "b" for i in range(60)],
    )
    scored.metrics["psnr"].values[5] = math.nan
    return judge(ScoredSet("tid2013", scored.source, scored.metrics), resamples=200)


def rows_of(text):
    return list(csv.DictReader(io.StringIO(text)))


def texts(table, first):
    """The row whose first cell says so, header to text."""
    row = next(row for row in table.rows if row[0].text == first)
    return dict(zip(table.headers, (cell.text for cell in row), strict=True))


def test_overall_table(judged):
    table = agreement_tables.overall_table(judged)
    assert [row[0].text for row in table.rows] == ["gsn ↑", "psnr ↑", "ssim ↑", "odd ↑"]
    psnr, opposite, odd = (texts(table, f"{name} ↑") for name in ("psnr", "ssim", "odd"))
    assert psnr["pairs"] == "59"
    assert psnr["notes"] == "1 left out"
    assert psnr["SRCC"] == f"{judged.overall['psnr'].srcc:.3f}"
    assert psnr["SRCC vs gsn"] == "worse"
    assert psnr["ms/pair"] == "-"
    assert float(opposite["SRCC"]) > 0.9
    assert opposite["notes"] == "wrong direction"
    assert odd["SRCC"] == odd["main"] == "-"
    assert "fit did not converge" in odd["notes"]
    assert "60 pairs of 6 contents" in table.title


def test_sizes_in_words(make_set):
    assert make_set([1, 2], {}, contents=["a", "a"]).size == "2 pairs of 1 content"
    assert make_set([1], {}, contents=["a"]).size == "1 pair of 1 content"


def test_types_table(judged):
    table = agreement_tables.types_table(judged)
    assert list(table.headers) == ["type", "pairs", "gsn", "psnr", "ssim", "odd"]
    assert texts(table, "a")["pairs"] == "30"
    assert texts(table, "b")["ssim"].endswith("wrong direction")


def test_csv_has_every_number(judged):
    rows = rows_of(agreement_tables.to_csv(judged))
    assert len(rows) == 4 * 3
    psnr = next(row for row in rows if row["metric"] == "psnr" and not row["type"])
    assert float(psnr["srcc"]) == judged.overall["psnr"].srcc
    assert float(psnr["krcc_low"]) < float(psnr["krcc"]) < float(psnr["krcc_high"])
    assert (psnr["left_out"], psnr["significance"], psnr["fit_converged"]) == ("1", "worse", "yes")
    odd = next(row for row in rows if row["metric"] == "odd" and row["type"] == "a")
    assert (odd["srcc"], odd["fit_converged"], odd["difference_low"]) == ("", "no", "")


def test_poster_table_marks_the_best_and_shows_published_rows(judged):
    table = poster_table.poster_table([judged])
    first = [row[0].text for row in table.rows]
    assert first[:4] == ["gsn", "GSN, published", "psnr", "PSNR, published"]
    assert first.index("odd") < first.index("VSI, published")
    rows = {row[0].text: row for row in table.rows}
    assert [cell.standing for cell in rows["gsn"][1:5]] == [1, 1, 1, 1]
    assert [cell.standing for cell in rows["psnr"][1:5]] == [2, 2, 2, 2]
    assert {cell.standing for cell in rows["ssim"]} == {0}  # better, but in the wrong direction
    assert rows["ssim"][2].text.endswith("!")
    assert [cell.text for cell in rows["GSN, published"][1:5]] == [
        "0.892",
        "0.885",
        "0.699",
        "1.776",
    ]
    assert texts(table, "psnr")["vs gsn"] == "-"
    assert any(note.startswith("tid2013, psnr: 1 left out") for note in table.notes)


def test_equal_numbers_stand_equally(make_set):
    opinion = np.arange(12.0)
    noisy = opinion[[1, 0, 2, 3, 5, 4, 6, 7, 8, 9, 11, 10]]
    judged = judge(make_set(opinion, {"a": opinion, "b": 2 * opinion, "c": noisy}))
    table = poster_table.poster_table([judged])
    assert [row[2].standing for row in table.rows] == [1, 1, 2]


def test_metrics_that_a_set_lacks_are_blank(judged, make_set, rng):
    opinion = rng.uniform(size=20)
    scored = make_set(opinion, {"psnr": opinion})
    other = judge(ScoredSet("mine", scored.source, scored.metrics))
    table = poster_table.poster_table([judged, other])
    rows = {row[0].text: row for row in table.rows}
    assert {len(row) for row in table.rows} == {len(table.headers)}
    assert [cell.text for cell in rows["gsn"][-5:]] == [""] * 5
    assert rows["psnr"][-5].text == "1.000"
    assert [cell.text for cell in rows["PSNR, published"][-5:]] == [""] * 5


def test_poster_csv(judged):
    rows = rows_of(poster_table.to_csv([judged]))
    ours, theirs = (
        next(row for row in rows if row["metric"] == "gsn" and row["origin"] == origin)
        for origin in ("measured", "published")
    )
    assert float(ours["main_score"]) == judged.overall["gsn"].main_score
    assert (theirs["main_score"], theirs["note"]) == ("1.776", "GSN poster (CVPRW 2022)")


def test_training_data_are_told(judged):
    scores = judged.scored.metrics["gsn"]
    seen = MetricScores("gsn", True, scores.values, trained_on=("tid2013/train.csv",))
    scored = ScoredSet("tid2013", judged.scored.source, {"gsn": seen})
    for table in (
        poster_table.poster_table([judge(scored, resamples=0)]),
        agreement_tables.overall_table(judge(scored, resamples=0)),
    ):
        assert any("gsn was trained on tid2013/train.csv" in note for note in table.notes)


def test_published_rows_add_up():
    """PLCC after a fit, and with it the main score, are known of the poster's rows only."""
    for name, count in (("csiq", 14), ("tid2013", 14), ("live", 0)):
        rows = published.rows(name).values()
        fitted = [row for row in rows if not math.isnan(row.plcc)]
        assert len(fitted) == count
        for row in fitted:
            assert row.main_score == pytest.approx(row.plcc + row.srcc, abs=2e-3)
        assert not [row for row in rows if row.krcc >= row.srcc]
    assert published.rows("live")["vif"].srcc == 0.9636
    assert published.rows("kadid10k")["ssimulacra2"].srcc == 0.813
    # As text: a row without PLCC holds NaN, which equals nothing from Python 3.13 on.
    assert repr(published.rows("tid2013_regenerated-reserved")) == repr(published.rows("tid2013"))
    assert published.rows("pipal") == {}
    assert not published.rows("csiq")["vsi"].certain


def test_forms_of_a_table():
    table = TextTable(
        "A_title",
        ["metric", "set_1\nPLCC"],
        [
            [Cell("a_b"), Cell("0.9", 1)],
            [Cell("c"), Cell("0.8", 2)],
            [Cell("d"), Cell("0.7", 0, True)],
        ],
        notes=["50 % sure"],
    )
    markdown = to_markdown(table)
    assert "| metric   |   set_1<br>PLCC |" in markdown
    assert "| a_b      |         **0.9** |" in markdown
    assert "*0.8*" in markdown
    assert "(0.7)" in markdown
    assert markdown.endswith("50 % sure\n")
    latex = to_latex(table)
    assert r"a\_b" in latex
    assert r"\textbf{0.9}" in latex
    assert r"\underline{0.8}" in latex
    assert r"\shortstack{set\_1 \\ PLCC}" in latex
    assert latex.startswith("% A_title\n% 50 % sure\n")
    assert to_rich(table).row_count == 3


def test_names_are_taken_for_neither_markup_nor_code():
    name = "[/b] $\\frac{ <script> a|b\nc & %"
    table = TextTable(f"by {name}", ["type", name.replace("\n", " ")], [[Cell(name), Cell("1")]])
    markdown = to_markdown(table).splitlines()
    assert "<script" not in "".join(markdown)
    assert len({line.replace("\\|", "").count("|") for line in markdown[2:] if line}) == 1
    latex = to_latex(table)
    assert latex.splitlines()[0] == f"% by {name}".replace("\n", " ")
    assert "\\textbackslash{}frac\\{ <script> a|b c \\& \\%" in latex
    console = rich.console.Console(file=io.StringIO(), width=200)
    console.print(to_rich(table))
    assert "[/b] $\\frac{ <script>" in console.file.getvalue()
