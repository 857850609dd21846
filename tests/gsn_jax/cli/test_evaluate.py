"""`gsn evaluate`, `gsn benchmark` and `gsn submission` as they are typed."""

import csv
import importlib.util
import zipfile

import numpy as np
import pytest
from click.testing import CliRunner
from command_line import run
from PIL import Image

import gsn_jax
from gsn_jax import cli


@pytest.fixture
def table(tmp_path, photo, rng):
    """Three contents of four versions, with opinion scores that fall with the noise."""
    folder = tmp_path / "people"
    folder.mkdir()
    lines = ["reference,distorted,mos,scene,type"]
    for scene in range(3):
        reference = photo[:40, 40 * scene : 40 * scene + 40]
        Image.fromarray(reference).save(folder / f"A000{scene}.png")
        for level in (5, 15, 40, 80):
            noise = rng.normal(scale=level, size=reference.shape)
            distorted = np.clip(reference + noise, 0, 255).astype(np.uint8)
            name = f"A000{scene}_{level}.png"
            Image.fromarray(distorted).save(folder / name)
            mos = 90 - level + rng.normal()
            lines.append(
                f"A000{scene}.png,{name},{mos},s{scene},{'mild' if level < 20 else 'strong'}"
            )
    path = folder / "pairs.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def rows_of(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


QUICK = ("--resamples", "50", "--time-pairs", "1")


def test_evaluate_a_table(table, tmp_path):
    out = tmp_path / "out"
    first, err, code = run(
        "evaluate", "--pairs", table, "--metric", "psnr,gmsd", "--out", out, *QUICK
    )
    assert code == 0
    assert "**people: 12 pairs of 3 contents**" in first
    assert "SRCC by distortion type" in first
    assert f"scores and tables: {out / 'people'}" in err
    rows = rows_of(out / "people" / "agreement.csv")
    assert [(row["metric"], row["type"]) for row in rows[:3]] == [
        ("psnr", ""),
        ("gmsd", ""),
        ("psnr", "mild"),
    ]
    assert float(rows[0]["srcc"]) > 0.8
    assert rows[1]["wrong_direction"] == "no"
    assert float(rows[0]["seconds_per_pair"]) > 0
    assert (out / "people" / "agreement.md").read_text().strip() == first.strip()

    again, _, code = run(
        "evaluate", "--pairs", table, "--metric", "all", "--out", out, "--no-scoring", *QUICK
    )
    assert (again, code) == (first, 0)


@pytest.mark.slow
def test_evaluate_with_a_model_says_which_pairs_are_missing(table, model_folder):
    (table.parent / "A0001_5.png").write_bytes(b"no image")
    out, err, code = run(
        "evaluate", "--pairs", table, "--checkpoint", model_folder, "--metric", "gsn,psnr", *QUICK
    )
    assert code == 0
    assert "A0001_5.png: left out of every metric" in err
    assert "1 left out" in out
    assert "SRCC vs gsn" in out


def test_a_table_without_any_score_is_refused(table):
    for image in table.parent.glob("A000?_*.png"):
        image.write_bytes(b"no image")
    out, err, code = run("evaluate", "--pairs", table, "--metric", "psnr", *QUICK)
    assert (out, code) == ("", 2)
    assert err == "gsn: no pair has a finite score, so there is nothing to judge; see above why\n"


def test_benchmark_over_several_tables(table, tmp_path, monkeypatch):
    from gsn_jax import metrics
    from gsn_jax.scoring import by_name

    monkeypatch.delenv("GSN_PIEAPP_WEIGHTS", raising=False)
    monkeypatch.setattr(metrics, "names", lambda: ("psnr", "gmsd", "pieapp"))
    monkeypatch.setattr(by_name.shipped_models, "names", lambda: ())
    other = table.with_name("half.csv")
    other.write_text("\n".join(table.read_text().splitlines()[:9]) + "\n")
    out = tmp_path / "out"
    text, err, code = run("benchmark", "--pairs", table, "--pairs", other, "--out", out, *QUICK)
    assert code == 0
    assert "gsn: pieapp is left out: " in err
    assert "people<br>PLCC" in text
    assert "half<br>PLCC" in text
    assert "half: 8 pairs of 2 contents." in text
    assert (out / "benchmark.md").read_text().strip() == text.strip()
    assert r"\begin{tabular}" in (out / "benchmark.tex").read_text()
    rows = rows_of(out / "benchmark.csv")
    assert {(row["set"], row["metric"], row["origin"]) for row in rows} == {
        (name, metric, "measured") for name in ("people", "half") for metric in ("psnr", "gmsd")
    }
    assert {path.name for path in (out / "half").iterdir()} == {
        "scores.csv",
        "scores.jsonl",
        "scores.lock",
        "agreement.csv",
        "agreement.md",
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["evaluate"], "give either --dataset NAME or --pairs FILE.csv"),
        (["evaluate", "--dataset", "tid2013", "--pairs", "x.csv"], "give either --dataset"),
        (
            ["evaluate", "--pairs", "x.csv", "--split", "test"],
            "--split test is for --dataset NAME; leave",
        ),
        (
            ["evaluate", "--dataset", "tid2013:all", "--split", "test"],
            "name two splits; leave out one",
        ),
        (["evaluate", "--dataset", "nothing"], "no data set 'nothing'"),
        (["evaluate", "--dataset", "tid2013", "--lower-is-better"], "--lower-is-better is for --p"),
        (["benchmark", "--dataset", "tid2013", "--type-column", "x"], "--type-column is for --pa"),
        (["evaluate", "--pairs", "missing.csv"], "no such table"),
        (["evaluate", "--pairs", "x.csv", "--no-scoring"], "--no-scoring needs --out"),
        (["benchmark"], "FILE.csv; both may be repeated"),
        (["benchmark", "--pairs", "x", "--no-scoring", "--out", "o", "--rescore"], "no score"),
    ],
)
def test_what_cannot_be_done_is_one_line(arguments, message):
    out, err, code = run(*arguments)
    assert (out, code) == ("", 2)
    assert message in err
    assert err.count("\n") == 1


def test_two_sets_of_one_name_are_refused(table):
    _, err, code = run("benchmark", "--pairs", table, "--pairs", table, "--metric", "psnr")
    assert code == 2
    assert "two data sets are called people" in err


def test_a_report_without_its_extra_is_refused_before_scoring(table, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    _, err, code = run("evaluate", "--pairs", table, "--report", "page")
    assert code == 2
    assert "pip install 'gsn_jax[report]'" in err


def test_files_that_gsn_did_not_write_are_kept(table, tmp_path):
    out, report, archive = tmp_path / "out", tmp_path / "report", tmp_path / "thesis.zip"
    set_folder = out / "people"
    for folder in (set_folder, report):
        folder.mkdir(parents=True)
    (report / "index.html").write_text("my page")
    archive.write_text("my thesis")
    people = "--reference-dir", table.parent, "--distorted-dir", table.parent
    for written, command in (
        (set_folder / "agreement.md", ("evaluate", "--pairs", table, "--out", out)),
        (out / "benchmark.tex", ("benchmark", "--pairs", table, "--out", out)),
        (report / "index.html", ("evaluate", "--pairs", table, "--report", report)),
        (archive, ("submission", *people, "--out", archive)),
    ):
        written.write_text("mine")
        words = f"gsn: {written}: exists, and this command did not write it; name another output"
        _, err, code = run(*command, "--metric", "psnr")
        assert (err.startswith(words), code) == (True, 2), err
        assert written.read_text() == "mine"
        written.unlink()


def test_submission(table, tmp_path):
    folder = table.parent
    for name in ("ref", "dist"):
        (folder / name).mkdir()
    for path in folder.glob("A*.png"):
        path.rename(folder / ("dist" if "_" in path.stem else "ref") / path.name)
    out, err, code = run(
        "submission",
        *("--reference-dir", folder / "ref", "--distorted-dir", folder / "dist"),
        *("--metric", "psnr", "--out", tmp_path / "s.zip", "--no-extra-data"),
    )
    assert (out, err, code) == (f"{tmp_path / 's.zip'}: 12 scores\n", "", 0)
    with zipfile.ZipFile(tmp_path / "s.zip") as archive:
        assert archive.read("output.txt").count(b"\n") == 12
        assert b"No Extra Data [0] : 0" in archive.read("readme.txt")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("s.txt", "a submission is a ZIP file; name one that ends in .zip"),
        ("s", "a submission is a ZIP file; name one that ends in .zip"),
        ("no/s.zip", "no such folder"),
    ],
)
def test_where_a_submission_cannot_be_written(tmp_path, name, message):
    people = "--reference-dir", tmp_path, "--distorted-dir", tmp_path
    _, err, code = run("submission", *people, "--metric", "psnr", "--out", tmp_path / name)
    assert code == 2
    assert err.startswith(f"gsn: {tmp_path / name}: {message}")
    assert not list(tmp_path.iterdir())


def test_a_protocol_is_part_of_the_scores(tmp_path, photo):
    """It stands in every output, and scores of another protocol are not mixed with others."""
    rng = np.random.default_rng(0)
    Image.fromarray(photo).save(tmp_path / "r.png")
    rows = "reference,distorted,mos,mask\n"
    for index in range(5):
        noisy = np.clip(photo + rng.normal(scale=8 + 9 * index, size=photo.shape), 0, 255)
        Image.fromarray(noisy.astype(np.uint8)).save(tmp_path / f"d{index}.png")
        rows += f"r.png,d{index}.png,{5 - index},d0.png\n"
    (tmp_path / "t.csv").write_text(rows)
    arguments = ["--pairs", str(tmp_path / "t.csv"), "--metric", "psnr", "--resamples", "0"]
    arguments += ["--time-pairs", "0", "--out", str(tmp_path / "out")]
    runner = CliRunner()
    done = runner.invoke(cli.cli, ["evaluate", *arguments, "--protocol", "sr-x4"])
    assert done.exit_code == 0, done.output
    said = "Scored with luma studio, crop border 4: psnr."
    assert said in done.stdout
    assert "gsn: t: masks are ignored; whole images are scored" in done.stderr
    folder = tmp_path / "out" / "t"
    assert said in (folder / "agreement.md").read_text()
    table = list(csv.DictReader((folder / "agreement.csv").read_text().splitlines()))
    assert {row["protocol"] for row in table} == {"luma studio, crop border 4"}
    scores = list(csv.DictReader((folder / "scores.csv").read_text().splitlines()))
    want = gsn_jax.score(tmp_path / "r.png", tmp_path / "d3.png", "psnr", protocol="sr-x4")
    assert float(scores[3]["psnr"]) == pytest.approx(float(want), abs=1e-5)
    refused = runner.invoke(cli.cli, ["evaluate", *arguments, "--display", "standard_4k"])
    assert "--display: no metric uses it" in str(refused.exception)
    for command in ("evaluate", "benchmark"):
        other = runner.invoke(cli.cli, [command, *arguments])
        assert "luma studio, crop border 4, but this is gsn_jax" in str(other.exception)
        kept = runner.invoke(cli.cli, [command, *arguments, "--no-scoring"])
        assert "luma studio, crop border 4" in kept.stdout
        refused = runner.invoke(cli.cli, [command, *arguments, "--no-scoring", "--luma", "full"])
        assert "leave out --protocol, --luma, --crop-border and --display" in str(refused.exception)
    assert "luma studio, crop border 4" in (tmp_path / "out" / "benchmark.csv").read_text()
