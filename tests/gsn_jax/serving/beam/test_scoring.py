"""`gsn score --runner beam` gives what the plain command gives; nothing is lost or doubled."""

import csv
import functools
import json
import sys

import command_line
import numpy as np
import pytest
from PIL import Image

pytest.importorskip("apache_beam", reason="needs the extra [beam]")

import pyarrow
import pyarrow.parquet

from gsn_jax import cli
from gsn_jax.errors import InputError
from gsn_jax.scoring import many_pairs
from gsn_jax.scoring.pairs import pairs_of_table
from gsn_jax.serving.beam import exclusion, runners, scoring
from gsn_jax.serving.beam.worker import Settings

SIZES = (64, 80), (96, 64), (140, 170)


@pytest.fixture
def table(tmp_path, rng):
    """Twelve pairs of three sizes, and three that cannot be scored."""
    rows = []
    (tmp_path / "images").mkdir()
    for index in range(12):
        reference = rng.integers(0, 256, (*SIZES[index % 3], 3), np.uint8)
        distorted = np.clip(reference + rng.normal(scale=9, size=reference.shape), 0, 255)
        names = [f"images/{kind}{index:02}.png" for kind in "rd"]
        for name, image in zip(names, (reference, distorted), strict=True):
            Image.fromarray(np.uint8(image)).save(tmp_path / name)
        rows.append(names)
    (tmp_path / "images" / "d05.png").write_text("no image")
    rows += [("images/r00.png", "missing.png"), ("images/r00.png", ""), rows[0]]
    with open(tmp_path / "pairs.csv", "w", newline="") as file:
        csv.writer(file).writerows([("reference", "distorted"), *rows])
    return tmp_path / "pairs.csv"


run = functools.partial(command_line.run, "score")


def rows_of(folder):
    return pyarrow.parquet.read_table(folder).sort_by("row").to_pylist()


@pytest.mark.slow
def test_the_same_rows_as_the_plain_command(table, model_folder, tmp_path):
    options = "--pairs", table, "--metric", "gsn,psnr", "--checkpoint", model_folder
    _, plain_errors, plain_code = run(*options, "--out", tmp_path / "plain.parquet")
    said, errors, code = run(*options, "--out", tmp_path / "out", "--runner", "beam")
    assert code == plain_code == 2
    assert said.startswith("15 pairs: 12 scored, 3 failed; ")
    assert all(line in plain_errors for line in errors.splitlines())
    expected = pyarrow.parquet.read_table(tmp_path / "plain.parquet").to_pylist()
    rows = rows_of(tmp_path / "out")
    assert [row.pop("row") for row in rows] == list(range(15))
    assert {row.pop("versions") for row in rows} == {
        json.dumps({"gsn_jax": cli.__version__, "gsn": "1.2.3"})
    }
    (protocol,) = {row.pop("protocol") for row in rows}
    assert json.loads(protocol) == {
        "luma": None, "crop_border": 0, "resize": None, "alpha": "refuse", "align": "none",
        "hdr": None, "peak_nits": None, "display": None,
    }  # fmt: skip
    for row, plain in zip(rows, expected, strict=True):
        for name in ("gsn", "psnr"):
            score, plain_score = row.pop(name), plain.pop(name)
            assert score == (plain_score and pytest.approx(plain_score, rel=1e-6))
        assert row == plain
    summary = json.loads((tmp_path / "out" / "_summary.json").read_text())
    assert (summary["rows"], summary["bad"]) == (15, 3)
    listed = {path.name for path in (tmp_path / "out").iterdir()}
    assert listed == {"_summary.json", *summary["files"]}


def test_a_failed_run_publishes_nothing_and_is_continued(table, tmp_path, monkeypatch):
    scored = []
    original = many_pairs.score_unordered

    def counting(pairs, *arguments, **options):
        scored.extend(pair.distorted for pair in pairs)
        return original(pairs, *arguments, **options)

    def fail(shards, count):
        raise InputError("stop here")

    monkeypatch.setattr(many_pairs, "score_unordered", counting)
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(scoring, "_check", fail)
        with pytest.raises(InputError, match="stop here"):
            scoring.score_table(str(table), str(out), Settings(("psnr",)))
    assert [path.name for path in out.iterdir()] == ["_unfinished"]
    assert len(scored) == 15
    scored.clear()
    # A file that has changed, and those with an error, are scored again with their unit's id.
    Image.fromarray(np.zeros((64, 80, 3), np.uint8)).save(table.parent / "images" / "d03.png")
    summary = scoring.score_table(str(table), str(out), Settings(("psnr",)))
    assert (summary.rows, summary.bad) == (15, 3)
    assert "images/d03.png" in scored
    assert "missing.png" in scored
    assert "images/d02.png" not in scored  # of another size, and kept
    rows = rows_of(out)
    assert [row["row"] for row in rows] == list(range(15))
    assert rows[3]["psnr"] < 12 < rows[2]["psnr"]


def test_an_output_that_is_taken(table, tmp_path):
    options = "--pairs", table, "--metric", "psnr", "--runner", "beam", "--out"
    assert run(*options, tmp_path / "pairs.csv")[1].count("is a file") == 1
    assert "contains other files (d00.png)" in run(*options, tmp_path / "images")[1]
    (tmp_path / "done").mkdir()
    (tmp_path / "done" / "_summary.json").touch()
    assert "contains the scores of a finished run" in run(*options, tmp_path / "done")[1]


def test_a_run_that_died_while_it_published_is_cleared(table, tmp_path):
    out = tmp_path / "out"
    (out / "_unfinished" / "shards-1").mkdir(parents=True)
    stale = out / "scores-00000-of-00009.parquet", out / "_unfinished" / "shards-1" / "x.parquet"
    for path in (out / "_unfinished" / "README.txt", *stale):
        path.touch()
    scoring.score_table(str(table), str(out), Settings(("psnr",)))
    assert not any(path.exists() for path in stale)
    assert len(rows_of(out)) == 15


@pytest.mark.parametrize("name", ["notes.txt", "pairs.csv", "scores-mine.csv"])
def test_files_of_others_beside_an_unfinished_run_are_kept(table, tmp_path, name):
    out = tmp_path / "out"
    (out / "_unfinished").mkdir(parents=True)
    for path in (out / "_unfinished" / "README.txt", out / name):
        path.write_text("mine")
    with pytest.raises(InputError, match=rf"contains other files \({name}\); move them"):
        scoring.score_table(str(table), str(out), Settings(("psnr",)))
    assert (out / name).read_text() == "mine"


@pytest.mark.parametrize("rows", [[0, 1, 3], [0, 1, 1, 2, 3], [0, 1, 2, 2], [0, 1, 2, 4], []])
def test_lost_and_doubled_rows_are_noticed(rows, tmp_path):
    shards = []
    for number, part in enumerate((rows[:2], rows[2:])):
        shards.append(str(tmp_path / f"{number}.parquet"))
        content = [{"row": row, "error": "bad" if row == 2 else ""} for row in part]
        schema = pyarrow.schema([("row", pyarrow.int64()), ("error", pyarrow.string())])
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(content, schema), shards[-1])
    with pytest.raises(InputError, match=f"returned {len(rows)} rows"):
        scoring._check(shards, 4)


def test_an_empty_table(tmp_path):
    (tmp_path / "pairs.csv").write_text("reference,distorted\n")
    _, err, code = run(
        "--pairs", tmp_path / "pairs.csv", "--metric", "psnr", "--runner", "beam",
        "--out", tmp_path / "out",
    )  # fmt: skip
    assert code == 2
    assert err.endswith("pairs.csv: no pairs below the header line; add some\n")
    assert not (tmp_path / "out").exists()


# The process of a local run, in which the first worker is killed as soon as there is one. What it
# leaves, in the folder for the output and where Beam prepares it, looks like output.
KILLING = """
import json, os, pathlib, subprocess, sys, types
from apache_beam.runners.portability import local_job_service
from gsn_jax.serving.beam import runners

def popen(*arguments, **options):
    process = subprocess.Popen(*arguments, **options)
    if not os.path.exists(os.environ["GSN_TEST_KILLED"]):
        open(os.environ["GSN_TEST_KILLED"], "x")
        shards = pathlib.Path(json.loads(sys.argv[1])["job"]["shards"])
        (shards / "beam-temp-scores").mkdir(parents=True)
        for name in ("scores-00007-of-00008.parquet", "beam-temp-scores/x.parquet"):
            (shards / name).write_text("rows that are scored again")
        process.kill()
    return process

local_job_service.subprocess = types.SimpleNamespace(Popen=popen)
runners.main()
"""


@pytest.mark.slow
def test_a_worker_process_that_dies(table, tmp_path, monkeypatch):
    """With Beam's own processes, which would wait for it for ever."""
    monkeypatch.setenv("GSN_TEST_KILLED", str(tmp_path / "killed"))
    monkeypatch.setattr(runners, "_command", lambda order: [sys.executable, "-c", KILLING, order])
    flags, said = runners.parse_options(["direct_num_workers=1"]), []
    summary = scoring.score_table(
        str(table), str(tmp_path / "out"), Settings(("psnr",)), flags, said.append
    )
    assert said == ["a worker died; restarting the run, finished scores are kept"]
    assert (summary.rows, summary.bad) == (15, 3)
    assert [row["row"] for row in rows_of(tmp_path / "out")] == list(range(15))


def listed(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_second_run_is_refused_and_harms_nothing(table, tmp_path):
    out = tmp_path / "out"
    (out / "_unfinished" / "shards-1").mkdir(parents=True)
    (out / "_unfinished" / "shards-1" / "x.parquet").touch()
    options = "--pairs", table, "--metric", "psnr", "--runner", "beam", "--out", out
    with exclusion.alone(str(out / "_unfinished")):
        before = listed(out)
        assert run(*options) == ("", f"gsn: {out}: {BUSY}\n", 2)
        assert listed(out) == before
    assert run(*options)[0].startswith("15 pairs: 12 scored")


BUSY = "another run is writing to this folder; wait for it, or name another folder"


def test_files_on_a_remote_file_system(table, tmp_path, remote_folder):
    plain = list(many_pairs.score_pairs(pairs_of_table(table), _metrics()))
    scoring.score_table("gsntest://pairs.csv", str(tmp_path / "out"), Settings(("psnr",)))
    rows = rows_of(tmp_path / "out")
    assert rows[0]["error"] == ""
    for row, item in zip(rows, plain, strict=True):
        assert row["psnr"] == pytest.approx(item.scores.get("psnr"), abs=1e-4)  # 2**-24 of a sample
    assert rows[5]["error"].startswith("gsntest://images/d05.png: not an image")
    assert rows[12]["error"].startswith("gsntest://missing.png: cannot be read")


def test_a_file_system_that_is_not_known(tmp_path):
    table, out = tmp_path / "pairs.csv", tmp_path / "out"
    table.write_text("reference,distorted\na.png,b.png\n")
    for paths in (["nowhere://pairs.csv", str(out)], [str(table), "nowhere://out"]):
        with pytest.raises(InputError, match=r"^nowhere://.*: no file system for nowhere:// is"):
            scoring.score_table(*paths, Settings(("psnr",)))


def _metrics():
    from gsn_jax import metrics

    return [metrics.get("psnr")]


def test_what_a_pipeline_cannot_do(table, tmp_path, monkeypatch):
    beam = "--runner", "beam"
    out = "--out", tmp_path / "out"
    assert "give --pairs FILE.csv" in run("a.png", "b.png", *beam, *out)[1]
    assert "give --out DIR" in run("--pairs", table, *beam)[1]
    assert "writes Parquet" in run("--pairs", table, *beam, *out, "--format", "csv")[1]
    assert "--fail-below: not with" in run("--pairs", table, *beam, *out, "--fail-below", "1")[1]
    assert "--maps: not with" in run("--pairs", table, *beam, *out, "--maps", "m")[1]
    assert "needs --runner beam" in run("--pairs", table, *out, "--beam-option", "a=1")[1]
    assert "give KEY=VALUE" in run("--pairs", table, *beam, *out, "--beam-option", "a b")[1]
    assert "unknown metric" in run("--pairs", table, *beam, *out, "--metric", "x")[1]
    assert "no such table" in run("--pairs", tmp_path / "none.csv", *beam, *out)[1]
    for name in [name for name in sys.modules if name.startswith("gsn_jax.serving.beam")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr("gsn_jax.serving.beam")
    monkeypatch.setitem(sys.modules, "apache_beam", None)
    assert "pip install 'gsn_jax[beam]'" in run("--pairs", table, *beam, *out)[1]
    assert not (tmp_path / "out").exists()


def test_a_protocol_is_that_of_the_plain_command_and_stands_in_every_row(table, tmp_path):
    options = "--pairs", table, "--metric", "psnr", "--protocol", "sr-x2"
    run(*options, "--out", tmp_path / "plain.parquet")
    run(*options, "--runner", "beam", "--out", tmp_path / "many")
    rows = rows_of(tmp_path / "many")
    plain = pyarrow.parquet.read_table(tmp_path / "plain.parquet").to_pylist()
    assert [row["psnr"] for row in rows] == pytest.approx([row["psnr"] for row in plain], abs=1e-5)
    (protocol,) = {row["protocol"] for row in rows}
    assert (json.loads(protocol)["luma"], json.loads(protocol)["crop_border"]) == ("studio", 2)
    summary = json.loads((tmp_path / "many" / "_summary.json").read_text())
    assert summary["protocol"] == json.loads(protocol)


def test_masks_are_refused(table, tmp_path):
    table.write_text("reference,distorted,mask\nimages/r00.png,images/d00.png,m.png\n")
    _, err, code = run("--pairs", table, "--runner", "beam", "--out", tmp_path / "many")
    assert code == 2
    assert "--runner beam does not support masks; remove the column mask" in err
