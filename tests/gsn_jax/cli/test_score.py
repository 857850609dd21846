import os
import re
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner
from command_line import rows_of, run
from PIL import Image

from gsn_jax import cli


@pytest.fixture
def folder(tmp_path, photo, rng):
    """A reference, three distorted versions, and images that cannot be scored."""
    reference = photo[:64, :80]
    Image.fromarray(reference).save(tmp_path / "ref.png")
    for level in (5, 20, 60):
        noisy = np.clip(reference + rng.normal(scale=level, size=reference.shape), 0, 255)
        Image.fromarray(noisy.astype(np.uint8)).save(tmp_path / f"noise{level}.png")
    Image.fromarray(reference[:-1]).save(tmp_path / "small.png")
    (tmp_path / "text.png").write_text("no image")
    alpha = np.full((*reference.shape[:2], 1), 99, np.uint8)
    Image.fromarray(np.concatenate([reference, alpha], axis=-1)).save(tmp_path / "alpha.png")
    return tmp_path


def test_images_against_their_reference(folder, model_folder):
    names = [folder / f"noise{level}.png" for level in (5, 20, 60)]
    out, err, code = run(
        "score", folder / "ref.png", *names, "--checkpoint", model_folder, "--metric", "gsn,psnr"
    )
    assert (code, err) == (0, "")
    rows = rows_of(out)
    assert [row["distorted"] for row in rows] == [str(name) for name in names]
    psnr = [float(row["psnr"]) for row in rows]
    reference = np.float64(Image.open(folder / "ref.png"))
    error = np.mean((np.float64(Image.open(names[0])) - reference) ** 2)
    assert psnr[0] == pytest.approx(10 * np.log10(255**2 / error), abs=1e-4)
    quality = [float(row["gsn"]) for row in rows]
    assert quality == sorted(quality, reverse=True)
    assert all(row["error"] == "" for row in rows)


def test_a_table_keeps_its_order_and_its_bad_rows(folder, model_folder):
    table = folder / "pairs.csv"
    table.write_text(
        "reference,distorted,mos\n"
        "ref.png,noise60.png,1\n"
        "ref.png,missing.png,2\n"
        "ref.png,ref.png,3\n"
        "ref.png,small.png,4\n"
        "ref.png,text.png,5\n"
        "ref.png,../secret.png,6\n"
        "ref.png\n"
        "ref.png,noise5.png,7\n"
    )
    out_file = folder / "scores.csv"
    out, err, code = run("score", "--pairs", table, "--out", out_file, "--checkpoint", model_folder)
    assert (out, code) == ("", 2)
    assert "5 of 8 pairs could not be scored" in err
    rows = rows_of(out_file.read_text())
    assert list(rows[0]) == ["reference", "distorted", "gsn", "error"]
    assert [row["distorted"] for row in rows] == [
        "noise60.png", "missing.png", "ref.png", "small.png", "text.png", "../secret.png", "",
        "noise5.png",
    ]  # fmt: skip
    for row, message in zip(
        rows,
        [
            "",
            "missing.png: no such file",
            "",
            "small.png: size 80 x 63 differs from 80 x 64",
            "text.png: not an image",
            "pairs.csv, line 7: ../secret.png lies outside the table's folder",
            "pairs.csv, line 8: 1 field, but the header has 3; correct the row",
            "",
        ],
        strict=True,
    ):
        assert (row["gsn"] == "") == bool(message)
        assert message in row["error"]
    assert float(rows[2]["gsn"]) >= 0.99
    assert float(rows[0]["gsn"]) < float(rows[7]["gsn"]) < float(rows[2]["gsn"])


def test_one_bad_image_is_one_line_and_exit_code_2(folder, model_folder):
    out, err, code = run(
        "score", folder / "ref.png", folder / "missing.png", "--checkpoint", model_folder
    )
    assert code == 2
    assert err == f"gsn: {folder / 'missing.png'}: no such file; check the path\n"
    assert rows_of(out)[0]["error"].endswith("no such file; check the path")


@pytest.mark.slow
def test_transparency_by_choice(folder, model_folder):
    arguments = ["score", folder / "ref.png", folder / "alpha.png", "--checkpoint", model_folder]
    assert "transparent" in run(*arguments)[1]
    out, _, code = run(*arguments, "--alpha", "black")
    assert code == 0
    assert 0 <= float(rows_of(out)[0]["gsn"]) < 1


def test_a_pixel_limit(folder, model_folder):
    _, err, code = run(
        "score", folder / "ref.png", folder / "noise5.png", "--max-pixels", 1000,
        "--checkpoint", model_folder,
    )  # fmt: skip
    assert code == 2
    assert "80 x 64 pixels is beyond the limit of 1,000 pixels" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["score"], "give REFERENCE and DISTORTED images, or --pairs"),
        (["score", "a.png"], "give REFERENCE and DISTORTED"),
        (["score", "a.png", "b.png", "--pairs", "t.csv"], "only one of these"),
        (["score", ".", "b.png"], ".: is a folder, not an image; to score two folders, give"),
        (["score", "a.png", "."], ".: is a folder, not an image"),
        (["score", "a.png", "b.png", "--pairing", "stem"], "--pairing is for two folders"),
        (["score", "--pairs", "t.csv", "--allow-unpaired"], "--allow-unpaired is for two folders"),
        (["score", "--pairs", "none.csv"], "none.csv: no such table"),
        (["score", "a.png", "b.png", "--metric", "nonsense"], "unknown metric 'nonsense'"),
        (["score", "a.png", "b.png", "--metric", ","], "no metric is named"),
        (["score", "a.png", "b.png", "--checkpoint", "nowhere"], "nowhere: neither"),
        (["score", "a.png", "b.png", "--metric", "psnr", "--checkpoint", "x"], ": replaces gsn"),
    ],
)
def test_wrong_calls_say_what_to_do(arguments, message):
    _, err, code = run(*arguments)
    assert code == 2
    assert message in err
    assert err.count("\n") == 1


def test_an_output_that_cannot_be_written_leaves_nothing(folder, model_folder):
    out_file = folder / "none" / "scores.csv"
    _, err, code = run(
        "score", folder / "ref.png", folder / "noise5.png", "--out", out_file, "--metric", "psnr"
    )
    assert code == 2
    assert f"scores.csv: no such folder {folder / 'none'}; create it first" in err


def test_a_suffix_of_no_format_is_refused(folder):
    line = "score", folder / "ref.png", folder / "noise5.png", "--metric", "psnr", "--out"
    assert "tables cannot be written as .xlsx; name it .csv" in run(*line, "scores.xlsx")[1]
    assert run(*line, folder / "scores.xlsx", "--format", "csv")[2] == 0
    assert run(*line, folder / "scores")[2] == 0
    assert (folder / "scores").read_bytes() == (folder / "scores.xlsx").read_bytes()


def test_metrics_are_listed():
    out, _, code = run("score", "--list-metrics")
    assert code == 0
    assert "psnr: " in out
    assert re.search("^ssim: (-1|0) to 1, higher is better$", out, re.MULTILINE)


@pytest.mark.slow
def test_the_entry_point_prints_one_line(folder):
    done = subprocess.run(
        [sys.executable, "-m", "gsn_jax", "score", "--pairs", "none.csv"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr == "gsn: none.csv: no such table; check the path\n"


@pytest.mark.slow
def test_a_terminal_gets_a_table(folder, model_folder):
    """Through a pseudo-terminal, as a person sees it."""
    import pty

    command = [
        sys.executable, "-m", "gsn_jax", "score", "ref.png", "noise5.png", "noise60.png",
        "--checkpoint", str(model_folder), "--metric", "gsn,gmsd",
    ]  # fmt: skip
    primary, secondary = pty.openpty()
    process = subprocess.Popen(command, stdout=secondary, stderr=secondary, cwd=folder)
    os.close(secondary)
    shown = b""
    while True:
        try:
            block = os.read(primary, 4096)
        except OSError:  # the other end is closed
            break
        if not block:
            break
        shown += block
    os.close(primary)
    assert process.wait() == 0
    text = shown.decode()
    assert "gsn ↑" in text
    assert "gmsd ↓" in text
    assert "noise60.png" in text


def test_help_names_every_command():
    out, _, code = run("--help")
    assert code == 0
    for name in ("score", "train", "demo", "datasets", "synthesize"):
        assert f"  {name}" in out
        assert run(name, "--help")[2] == 0


def test_an_unknown_command_is_refused():
    _, err, code = run("nonsense")
    assert code == 2
    assert "No such command 'nonsense'" in err


@pytest.mark.slow
def test_maps_are_drawn_of_the_pairs_that_were_scored(photo, tmp_path):
    for name, pixels in (("a", photo), ("b", 255 - photo)):
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    (tmp_path / "c.png").write_text("not an image")
    line = [str(tmp_path / name) for name in ("a.png", "b.png", "c.png")]
    line += ["--metric", "psnr,vifp", "--maps", str(tmp_path / "maps")]
    result = CliRunner().invoke(cli.cli, ["score", *line])
    assert result.exit_code == 2
    assert "no quality map for vifp" in result.stderr
    assert [path.name for path in (tmp_path / "maps").iterdir()] == ["b.psnr.map.png"]


def test_a_picture_against_itself_passes_any_limit(folder):
    """Whatever float32 makes of the best score."""
    same = folder / "ref.png", folder / "ref.png"
    limits = "--fail-below", "ssim=1", "--fail-below", "gmsd=0"
    _, err, code = run("score", *same, "--metric", "ssim,gmsd", *limits)
    assert (err, code) == ("", 0)


def test_a_full_disk_is_one_line(folder):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "gsn_jax", "score", "--help"],
            stdout=full, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 2
    reason = "No space left on device"
    advice = "free some space, or write to another disk"
    assert done.stderr == f"gsn: output cannot be written ({reason}); {advice}\n"
