"""`gsn encode`: the lowest quality that reaches a score."""

import csv
import functools

import command_line
import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def photos(tmp_path, photo):
    folder = tmp_path / "photos"
    folder.mkdir()
    for k in range(2):
        Image.fromarray(photo[:64, 64 * k : 64 * k + 64]).save(folder / f"p{k}.png")
    return folder


run = functools.partial(command_line.run, "encode")


def psnr(path, reference):
    """PSNR over RGB in float64."""
    error = np.asarray(Image.open(path), float) - np.asarray(Image.open(reference), float)
    return 10 * np.log10(255**2 / np.mean(error**2))


def test_the_next_lower_quality_does_not_reach_the_target(photos, tmp_path):
    out = tmp_path / "out"
    arguments = (photos, "--codec", "jpeg", "--target", "psnr=32", "--out", out)
    printed, _, code = run(*arguments)
    assert code == 0
    with open(out / "encode.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2
    for row in rows:
        assert int(row["bytes"]) == (out / row["file"]).stat().st_size
        assert float(row["psnr"]) == pytest.approx(psnr(row["file"], row["image"]), abs=1e-4)
        assert float(row["psnr"]) >= 32
        lower = tmp_path / "lower.jpg"
        image = Image.open(row["image"])
        image.save(lower, quality=int(row["quality"]) - 1, subsampling=2, optimize=True)
        assert psnr(lower, row["image"]) < 32
    assert "2 files:" in printed
    before = (out / "p0.jpg").stat().st_mtime_ns
    assert run(*arguments)[0] == printed
    assert (out / "p0.jpg").stat().st_mtime_ns == before


def test_a_name_with_a_line_break_is_one_line(photos, tmp_path):
    (photos / "p0.png").rename(photos / "p\n\u00e9.png")
    arguments = ("--codec", "jpeg", "--target", "psnr=20", "--out", tmp_path / "out")
    printed, _, code = run(photos / "p\n\u00e9.png", *arguments)
    assert code == 0
    assert printed.startswith(f"{tmp_path / 'out'}/p\\n\u00e9.jpg: quality ")
    assert printed.count("\n") == 1


def test_only_its_own_files_are_replaced(photos, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "p0.jpg").write_text("mine")
    arguments = (photos, "--codec", "jpeg", "--target", "psnr=30", "--out", out)
    printed, err, code = run(*arguments)
    assert code == 2
    assert "p0.jpg: exists, and this command did not write it" in err
    assert "p1.jpg: quality" in printed
    assert (out / "p0.jpg").read_text() == "mine"
    assert run(*arguments, "--overwrite")[2] == 0
    made = (out / "p0.jpg").read_bytes()
    # Another target replaces the file, and so does the first one after it.
    assert run(photos, "--codec", "jpeg", "--target", "psnr=36", "--out", out)[2] == 0
    assert (out / "p0.jpg").read_bytes() != made
    assert run(*arguments)[2] == 0
    assert (out / "p0.jpg").read_bytes() == made


def test_a_protocol(photos, tmp_path):
    arguments = (photos / "p0.png", "--codec", "jpeg", "--target", "psnr=32", "--out", tmp_path)
    run(*arguments)
    printed, _, code = run(*arguments, "--crop-border", "8")
    assert code == 0
    first, second = (
        np.asarray(Image.open(path), float)[8:-8, 8:-8]
        for path in (tmp_path / "p0.jpg", photos / "p0.png")
    )
    score = 10 * np.log10(255**2 / np.square(first - second).mean())
    assert f"psnr {score:.4f}" in printed


def test_a_run_that_was_killed_before_it_noted_its_file(photos, tmp_path):
    arguments = (photos, "--codec", "jpeg", "--target", "psnr=30", "--out", tmp_path / "out")
    printed, _, _ = run(*arguments)
    store = tmp_path / "out" / ".encode.jsonl"
    store.write_bytes(store.read_bytes()[:-5])
    assert run(*arguments)[:1] == (printed,)


def test_a_table_of_others(photos, tmp_path):
    (tmp_path / "encode.csv").write_text("mine")
    _, err, code = run(photos, "--codec", "jpeg", "--target", "psnr=30", "--out", tmp_path)
    assert code == 2
    assert "encode.csv: exists" in err
    assert not (tmp_path / "p0.jpg").exists()


def test_a_distance_that_is_easy_to_reach(photos, tmp_path):
    arguments = (photos / "p0.png", "--codec", "jpeg", "--target", "gmsd=1", "--out", tmp_path)
    printed, _, code = run(*arguments)
    assert code == 0
    assert "quality 1," in printed


def test_a_target_out_of_reach(photos, tmp_path):
    out = tmp_path / "out"
    _, err, code = run(photos, "--codec", "jpeg", "--target", "psnr=90", "--out", out)
    assert code == 2
    assert "at its highest quality, not 90" in err
    assert not list(out.glob("*.jpg"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--codec", "jpeg,webp", "--target", "psnr=30"), "give one codec"),
        (("--codec", "jpeg", "--target", "psnr"), "give a metric and a score"),
        (("--codec", "jpeg", "--target", "psnr=inf"), "give a metric and a score"),
        (
            ("--codec", "jpeg", "--target", "ssim=1.1"),
            "ssim=1.1: no file can be better than ssim=1",
        ),
        (("--codec", "jpeg", "--target", "gmsd=-1"), "gmsd=-1: no file can be better than gmsd=0"),
        (("--codec", "jpeg", "--target", "x=1"), "unknown metric"),
        (("--target", "psnr=30"), "name a codec"),
    ],
)
def test_bad_usage(photos, tmp_path, arguments, message):
    _, err, code = run(photos, *arguments, "--out", tmp_path / "out")
    assert code == 2
    assert message in err
    assert not (tmp_path / "out").exists()


def test_the_photograph_is_not_overwritten(tmp_path, photo):
    Image.fromarray(photo[:64, :64]).save(tmp_path / "p.jpg")
    path = tmp_path / "p.jpg"
    before = path.read_bytes()
    _, err, code = run(path, "--codec", "jpeg", "--target", "psnr=30", "--out", tmp_path)
    assert code == 2
    assert "would be overwritten" in err
    assert path.read_bytes() == before
