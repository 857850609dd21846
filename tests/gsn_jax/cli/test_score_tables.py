"""`gsn score` on folders: tables in three formats, limits, and runs that were interrupted."""

import csv
import functools
import json
import os
import signal
import subprocess
import sys
import time

import command_line
import numpy as np
import pytest
from PIL import Image

from gsn_jax._version import __version__
from gsn_jax.scoring import many_pairs
from gsn_jax.scoring.many_pairs import score_pairs
from gsn_jax.scoring.pairs import Pair, running_order


@pytest.fixture
def folder(tmp_path, photo, rng):
    """Two references, three and one distorted versions, one of them broken."""
    for name, corner in (("a", 0), ("b", 24)):
        reference = photo[corner : corner + 64, corner : corner + 80]
        (tmp_path / "r").mkdir(exist_ok=True)
        (tmp_path / "d").mkdir(exist_ok=True)
        Image.fromarray(reference).save(tmp_path / "r" / f"{name}.png")
        for level in (5, 60):
            noisy = np.clip(reference + rng.normal(scale=level, size=reference.shape), 0, 255)
            Image.fromarray(noisy.astype(np.uint8)).save(tmp_path / "d" / f"{name}_{level:02}.png")
    (tmp_path / "d" / "a_broken.png").write_text("no image")
    return tmp_path


run = functools.partial(command_line.run, "score")


def folders(folder):
    return "--reference-dir", folder / "r", "--distorted-dir", folder / "d"


def read_rows(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_folders_to_csv_with_versions_beside(folder, model_folder):
    out = folder / "scores.csv"
    options = "--checkpoint", model_folder, "--metric", "gsn", "--metric", "psnr"
    _, err, code = run(*folders(folder), "--out", out, *options)
    assert code == 2
    assert "a_broken.png: not an image" in err
    assert "1 of 5 pairs could not be scored" in err
    rows = read_rows(out)
    assert list(rows[0]) == ["reference", "distorted", "gsn", "psnr", "error"]
    names = [os.path.basename(row["distorted"]) for row in rows]
    assert names == ["a_05.png", "a_60.png", "a_broken.png", "b_05.png", "b_60.png"]
    assert [bool(row["error"]) for row in rows] == [False, False, True, False, False]
    assert float(rows[0]["gsn"]) > float(rows[1]["gsn"])
    versions = json.loads((folder / "scores.csv.json").read_text())["versions"]
    assert versions == {"gsn_jax": __version__, "gsn": "1.2.3"}
    assert sorted(path.name for path in folder.iterdir()) == [
        "d", "r", "scores.csv", "scores.csv.json",
    ]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_other_formats_hold_the_same(folder, model_folder, suffix):
    (folder / "d" / "a_broken.png").unlink()
    Image.open(folder / "r" / "a.png").save(folder / "d" / "a_same.png")
    options = "--checkpoint", model_folder, "--metric", "gsn,psnr"
    assert run(*folders(folder), "--out", folder / "s.csv", *options)[2] == 0
    assert run(*folders(folder), "--out", folder / f"s.{suffix}", *options)[2] == 0
    if suffix == "jsonl":
        rows = [json.loads(line) for line in (folder / "s.jsonl").read_text().splitlines()]
        versions = rows[0].pop("versions")
    else:
        parquet = pytest.importorskip("pyarrow.parquet")
        table = parquet.read_table(folder / "s.parquet")
        rows, versions = table.to_pylist(), json.loads(table.schema.metadata[b"gsn_jax"])
    assert versions == {"gsn_jax": __version__, "gsn": "1.2.3"}
    for row, text in zip(rows, read_rows(folder / "s.csv"), strict=True):
        assert {name: row[name] for name in ("reference", "distorted", "error")} == {
            name: text[name] for name in ("reference", "distorted", "error")
        }
        assert row["gsn"] == pytest.approx(float(text["gsn"]), abs=1e-6)
        assert row["psnr"] == pytest.approx(float(text["psnr"]), abs=1e-6)
    assert np.isinf([row["psnr"] for row in rows]).sum() == 1


def test_a_limit_is_exit_code_1_and_knows_directions(folder):
    (folder / "d" / "a_broken.png").unlink()
    options = "--metric", "psnr,gmsd"
    out, err, code = run(*folders(folder), *options, "--fail-below", "psnr=20")
    assert code == 1
    assert err.count("is below 20") == 2
    assert "a_60.png: psnr" in err
    assert out.count("\n") == 5
    assert run(*folders(folder), *options, "--fail-below", "psnr=5")[1:] == ("", 0)
    assert "is above 0.05" in run(*folders(folder), *options, "--fail-below", "gmsd=0.05")[1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--metric", "psnr,gmsd", "--fail-below", "3"], "say for which metric, e.g. psnr=3"),
        (["--metric", "psnr", "--fail-below", "ssim=3"], "no score 'ssim'; metrics: psnr"),
        (["--metric", "psnr", "--fail-below", "good"], "'good' is not a number"),
        (["--metric", "psnr", "--format", "jsonl"], "--format is the format of --out"),
    ],
)
def test_wrong_options_are_one_line(folder, options, message):
    _, err, code = run(*folders(folder), *options)
    assert code == 2
    assert message in err
    assert err.count("\n") == 1


def test_sizes_are_made_equal_on_request(folder):
    image = Image.open(folder / "r" / "a.png")
    image.resize((40, 32), Image.Resampling.BICUBIC).save(folder / "small.png")
    arguments = folder / "r" / "a.png", folder / "small.png", "--metric", "psnr"
    _, err, code = run(*arguments)
    assert code == 2
    assert "differs from 80 x 64" in err
    assert "--resize to-reference or to-distorted" in err
    enlarged = np.float64(
        Image.open(folder / "small.png").resize((80, 64), Image.Resampling.BICUBIC)
    )
    error = np.mean((enlarged - np.float64(image)) ** 2)
    out, _, code = run(*arguments, "--resize", "to-reference")
    assert code == 0
    got = float(next(iter(csv.DictReader(out.splitlines())))["psnr"])
    assert got == pytest.approx(10 * np.log10(255**2 / error), abs=1e-4)
    out, _, _ = run(*arguments, "--resize", "to-distorted")
    assert float(next(iter(csv.DictReader(out.splitlines())))["psnr"]) > 60


def test_an_interrupted_run_continues_to_the_same_file(folder, monkeypatch):
    arguments = *folders(folder), "--metric", "psnr"
    assert run(*arguments, "--out", folder / "whole.csv")[2] == 2
    score, count = many_pairs._score, [0]

    def interrupted(*given):
        count[0] += 1
        if count[0] == 4:
            raise KeyboardInterrupt
        return score(*given)

    out = folder / "resumed.csv"
    with monkeypatch.context() as patch:
        patch.setattr(many_pairs, "_score", interrupted)
        _, err, code = run(*arguments, "--out", out)
    assert code == 130
    assert "run the same command again to continue" in err
    assert not out.exists()
    journal = folder / ".resumed.csv.partial"
    with open(journal, "ab") as file:
        file.write(b'{"pair": 3, "sco')  # killed while it wrote
    _, err, code = run(*arguments, "--out", out)
    assert code == 2
    assert "2 of 5 pairs were already scored" in err  # the third was the broken one, tried again
    assert out.read_bytes() == (folder / "whole.csv").read_bytes()
    assert not journal.exists()


def test_what_changed_is_scored_again(folder, monkeypatch):
    arguments = *folders(folder), "--metric", "psnr", "--out", folder / "s.csv"
    monkeypatch.setattr("gsn_jax.scoring.tables.write_scores", fail)
    with pytest.raises(ZeroDivisionError):
        run(*arguments)
    monkeypatch.undo()
    Image.open(folder / "r" / "a.png").save(folder / "d" / "a_05.png")
    _, err, _ = run(*arguments)
    assert "3 of 5 pairs were already scored" in err
    assert read_rows(folder / "s.csv")[0]["psnr"] == "inf"


def test_other_options_start_anew(folder, monkeypatch):
    arguments = *folders(folder), "--out", folder / "s.csv"
    monkeypatch.setattr("gsn_jax.scoring.tables.write_scores", fail)
    with pytest.raises(ZeroDivisionError):
        run(*arguments, "--metric", "psnr")
    monkeypatch.undo()
    _, err, _ = run(*arguments, "--metric", "psnr_y")
    assert "already scored" not in err


def fail(*_, **__):
    raise ZeroDivisionError


@pytest.mark.slow
def test_a_killed_process_loses_nothing(folder):
    """Killed as hard as can be while it scores, and continued."""
    for index in range(40):
        for kind, name in (("r", f"k{index}.png"), ("d", f"k{index}_1.png")):
            Image.open(folder / "r" / "a.png").save(folder / kind / name)
    command = [
        sys.executable, "-m", "gsn_jax", "score", *map(str, folders(folder)), "--metric", "psnr",
        "--out", str(folder / "s.csv"),
    ]  # fmt: skip
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    journal = folder / ".s.csv.partial"
    while process.poll() is None and not journal.exists():
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert run(*command[4:])[2] == 2
    assert run(*folders(folder), "--metric", "psnr", "--out", folder / "whole.csv")[2] == 2
    assert (folder / "s.csv").read_bytes() == (folder / "whole.csv").read_bytes()
    assert len(read_rows(folder / "s.csv")) == 45


def test_pairs_of_a_reference_run_together_and_come_out_in_order(folder):
    files = {name: folder / "r" / f"{name}.png" for name in "ab"}
    names = ["b_05", "a_05", "b_60", "a_broken", "a_60"]
    pairs = [
        Pair(name[0], name, files[name[0]], folder / "d" / f"{name}.png") for name in names
    ]  # fmt: skip
    assert running_order(pairs, range(5)) == [0, 2, 1, 3, 4]
    from gsn_jax import metrics

    scored = list(score_pairs(pairs, [metrics.get("psnr")]))
    assert [item.pair.distorted for item in scored] == names
    assert [bool(item.error) for item in scored] == [False, False, False, True, False]


def test_caching_changes_no_score(folder, model_folder):
    import gsn_jax
    from gsn_jax.scoring.folders import pair_folders

    pairs, _ = pair_folders(folder / "r", folder / "d")
    metric = [gsn_jax.load(model_folder)]
    cached = [item.scores for item in score_pairs(pairs, metric)]
    assert cached == [item.scores for item in score_pairs(pairs, metric, cache_bytes=0)]
    alone = [
        float(metric[0](pair.reference_file, pair.distorted_file)) if scores else None
        for pair, scores in zip(pairs, cached, strict=True)
    ]
    assert [scores.get("gsn") for scores in cached] == alone


@pytest.mark.slow
def test_batches_give_the_same_table(folder, model_folder):
    options = *folders(folder), "--checkpoint", model_folder, "--metric", "gsn,psnr"
    run(*options, "--out", folder / "single.csv")
    _, err, code = run(*options, "--out", folder / "batches.csv", "--batch-size", 1)
    assert code == 2
    assert "a_broken.png: not an image" in err
    for row, want in zip(
        read_rows(folder / "batches.csv"), read_rows(folder / "single.csv"), strict=True
    ):
        for name in ("gsn", "psnr"):
            assert float(row.pop(name) or 0) == pytest.approx(
                float(want.pop(name) or 0), rel=1e-5, abs=1e-5
            )
        assert row == want
    out, _, _ = run(*options, "--batch-size", 1)
    assert [line.split(",")[1] for line in out.splitlines()[1:]] == [
        row["distorted"] for row in read_rows(folder / "single.csv")
    ]


def test_only_a_table_of_scores_is_replaced(folder):
    out = folder / "opinions.csv"
    out.write_text("reference,distorted,mos\na.png,b.png,3\n")
    before = out.read_bytes()
    arguments = *folders(folder), "--metric", "psnr", "--out", out
    assert run(*arguments) == (
        "",
        f"gsn: {out}: exists, and this command did not write it; name another output, or add "
        "--overwrite\n",
        2,
    )
    assert out.read_bytes() == before
    for options in (["--overwrite"], []):  # the second run replaces the table of the first
        run(*arguments, *options)
        assert len(read_rows(out)) == 5
