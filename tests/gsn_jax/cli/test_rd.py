"""`gsn rd` as it is typed."""

import csv
import os
import resource
from pathlib import Path

import numpy as np
import pytest
from command_line import run
from PIL import Image

QUALITIES = (20, 40, 60, 80, 92)


def rows_of(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def photos(tmp_path, photo):
    """Six small photographs."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for k in range(6):
        row, column = 64 * (k // 3), 64 * (k % 3)
        Image.fromarray(photo[row : row + 64, column : column + 64]).save(folder / f"p{k}.png")
    return folder


@pytest.fixture
def table(photos):
    """The photographs as JPEG with and without optimised Huffman tables: equal pixels."""
    lines = ["reference,distorted,codec,setting"]
    for path in sorted(photos.glob("*.png")):
        image = Image.open(path)
        for quality in QUALITIES:
            for codec, optimize in (("plain", False), ("optimised", True)):
                name = f"{path.stem}_{codec}_{quality}.jpg"
                image.save(photos / name, quality=quality, optimize=optimize)
                lines.append(f"{path.name},{name},{codec},{quality}")
    (photos / "pairs.csv").write_text("\n".join(lines) + "\n")
    return photos / "pairs.csv"


def test_a_table(table, tmp_path):
    out = tmp_path / "out"
    arguments = ("rd", "--pairs", table, "--metric", "psnr", "--out", out, "--resamples", "200")
    printed, err, code = run(*arguments, "--at", "psnr=30")
    assert code == 0
    assert "against plain (BD-rate)" in printed
    assert "fewer bytes than plain at psnr 30" in printed
    assert f"tables: {out}" in err
    (row,) = rows_of(out / "bd.csv")
    assert (row["metric"], row["codec"], row["anchor"]) == ("psnr", "optimised", "plain")
    # The same pixels in fewer bytes, so everything follows from the bytes.
    assert float(row["bd_rate_low"]) <= float(row["bd_rate"]) <= float(row["bd_rate_high"]) < 0
    assert row["bd_rate_images"] == "6"
    images = rows_of(out / "bd_images.csv")
    assert np.mean([float(item["bd_rate"]) for item in images]) == pytest.approx(
        float(row["bd_rate"])
    )
    curves = rows_of(out / "curves.csv")
    assert [item["pareto"] for item in curves] == ["no"] * 5 + ["yes"] * 5
    points = rows_of(out / "points.csv")
    assert len(points) == 60
    size = (table.parent / "p0_plain_20.jpg").stat().st_size
    assert int(points[0]["bytes"]) == size
    assert float(points[0]["bpp"]) == pytest.approx(8 * size / 64**2)
    assert printed.strip() == (out / "rd.md").read_text().strip()
    tex = (out / "rd.tex").read_text().splitlines()
    assert r"\begin{tabular}{llrrrrr}" in tex
    # Minus signs and arrows as LaTeX knows them.
    assert all(line.isascii() for line in tex if not line.startswith("%"))

    before = {path.name: path.read_bytes() for path in out.iterdir()}
    assert run(*arguments, "--at", "psnr=30")[0] == printed
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before

    again = ("rd", "--pairs", out / "points.csv", "--metric", "psnr", "--resamples", "200")
    assert run(*again, "--at", "psnr=30")[0] == printed


def test_another_metric_keeps_the_scores_of_the_first(table, tmp_path):
    arguments = ("rd", "--pairs", table, "--out", tmp_path / "out", "--resamples", "0")
    run(*arguments, "--metric", "psnr")
    run(*arguments, "--metric", "gmsd")
    rows = (tmp_path / "out" / "scores.jsonl").read_text().splitlines()[-60:]
    assert all('"psnr"' in row and '"gmsd"' in row for row in rows)


def test_one_codec(table):
    lines = table.read_text().splitlines()
    table.write_text("\n".join(line for line in lines if "optimised" not in line) + "\n")
    printed, _, code = run("rd", "--pairs", table, "--metric", "psnr")
    assert code == 0
    assert "Mean bits per pixel and scores" in printed
    assert "BD-rates need two codecs." in printed
    rates = [8 * (table.parent / f"p{k}_plain_20.jpg").stat().st_size / 64**2 for k in (0, 1, 3, 4)]
    rates += [8 * (table.parent / f"p{k}_plain_20.jpg").stat().st_size / (32 * 64) for k in (2, 5)]
    assert f"| {np.mean(rates):.3f} |" in " ".join(printed.split())


def test_files_that_cannot_be_scored(table):
    (table.parent / "p0_plain_40.jpg").write_bytes(b"nothing")
    printed, err, code = run("rd", "--pairs", table, "--metric", "psnr")
    assert code == 2
    assert "6 of 6" in printed  # four settings of the first photograph are left
    problem = f"the first: {table.parent / 'p0_plain_40.jpg'}: not an"
    assert f"gsn: 1 file could not be scored; {problem}" in err
    assert f"1 file has no score; {problem}" in " ".join(printed.split())
    for path in table.parent.glob("*.jpg"):
        path.write_bytes(b"nothing")
    printed, err, code = run("rd", "--pairs", table, "--metric", "psnr")
    assert (printed, code) == ("", 2)
    assert f"no file could be scored; the first: {table.parent / 'p0_'}" in err


def test_too_few_settings_give_a_line_and_no_number(table):
    few = [line for line in table.read_text().splitlines() if "_20.jpg" not in line]
    table.write_text("\n".join(line for line in few if "_40.jpg" not in line) + "\n")
    printed, _, code = run("rd", "--pairs", table, "--metric", "psnr")
    assert code == 0
    assert "– |" in printed
    assert "without 6 photographs: fewer than 4 settings" in printed
    assert "BD-rates need at least 4 settings of each codec." in printed
    assert "Mean bits per pixel and scores" in printed


def test_photographs(photos, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    out = Path("out")
    arguments = ("rd", photos, "--codec", "jpeg,webp", "--quality", "20:80:20", "--metric", "psnr")
    arguments = (*arguments, "--out", out, "--workers", "1")
    printed, _, code = run(*arguments)
    assert code == 0
    assert "against jpeg (BD-rate)" in printed
    assert "Milliseconds per megapixel" in printed
    assert {row["codec"] for row in rows_of(out / "times.csv")} == {"jpeg", "webp"}
    assert len(list((out / "encoded").rglob("*_q*.*"))) == 48

    # Without a file and the end of both stores, as after a run that was killed.
    before = {path: path.read_bytes() for path in out.rglob("*.*") if path.suffix != ".jsonl"}
    (out / "encoded" / "webp" / "p3_q40.webp").unlink()
    for name in ("encoded.jsonl", "scores.jsonl"):
        (out / name).write_bytes((out / name).read_bytes()[:-300])
    (out / "bd.csv").unlink()
    assert run(*arguments)[2] == 0
    after = {path: path.read_bytes() for path in out.rglob("*.*") if path.suffix != ".jsonl"}
    times = out / "times.csv"
    assert after.pop(times) != b""
    assert after == {path: data for path, data in before.items() if path != times}
    # The table of all files, whose names are relative to it.
    again = run("rd", "--pairs", out / "points.csv", "--metric", "psnr")
    assert again[2] == 0
    assert again[0] in printed


def test_a_protocol(table, tmp_path):
    arguments = ("rd", "--pairs", table, "--metric", "psnr", "--out", tmp_path / "out")
    assert "Protocol" not in run(*arguments)[0]
    printed, err, code = run(*arguments, "--crop-border", "16")  # not the scores that are kept
    assert code == 2  # nothing is left of two photographs, which are 32 pixels wide
    assert "20 files could not be scored; the first: p2_plain_20.jpg: 32 x 64 is too small" in err
    assert "Protocol: crop border 16." in printed
    row = rows_of(tmp_path / "out" / "points.csv")[0]
    first, second = (
        np.asarray(Image.open(table.parent / row[name]), float)[16:-16, 16:-16]
        for name in ("reference", "distorted")
    )
    expected = 10 * np.log10(255**2 / np.square(first - second).mean())
    assert float(row["psnr"]) == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("name", ["rd.md", "bd_images.csv", "scores.jsonl"])
def test_files_of_others_in_the_folder(table, tmp_path, name):
    arguments = ("rd", "--pairs", table, "--metric", "psnr", "--out", tmp_path)
    (tmp_path / name).write_text("mine")
    _, err, code = run(*arguments)
    assert code == 2
    assert f"{name}: exists, and this command did not write it" in err
    assert (tmp_path / name).read_text() == "mine"
    assert not (tmp_path / "bd.csv").exists()
    assert run(*arguments, "--overwrite")[2] == 0
    assert (tmp_path / name).read_text() != "mine"
    assert run(*arguments)[2] == 0


@pytest.mark.parametrize(
    ("command", "name"),
    [(("encode", "--target", "psnr=20"), ""), (("rd", "--metric", "psnr"), "encoded.jsonl")],
)
def test_a_full_disk(photos, tmp_path, command, name):
    """It is one line with what to do, and leaves no folder."""
    out = tmp_path / "out"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    try:
        _, err, code = run(*command, photos, "--codec", "jpeg", "--out", out)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    advice = "free some space, or write to another disk"
    assert (err, code) == (f"gsn: {out / name}: cannot be written (File too large); {advice}\n", 2)
    assert not out.exists()


def test_a_name_that_is_not_utf8(photos, tmp_path):
    name = os.fsencode(tmp_path) + b"/p\xff.png"
    try:
        os.rename(photos / "p0.png", name)
    except OSError:
        pytest.skip("needs a file system that takes any bytes as a name")
    arguments = (os.fsdecode(name), "--codec", "jpeg", "--out", tmp_path / "out")
    assert run("encode", *arguments, "--target", "psnr=20")[2] == 0
    (row,) = rows_of(tmp_path / "out" / "encode.csv")
    assert (row["image"], row["file"]) == (rf"{tmp_path}/p\xff.png", rf"{tmp_path}/out/p\xff.jpg")
    settings = ("--quality", "20,40,60,80", "--metric", "psnr", "--workers", "1")
    assert run("rd", *arguments, *settings, "--resamples", "0")[2] == 0
    rows = rows_of(tmp_path / "out" / "points.csv")
    assert [row["reference"] for row in rows] == [rf"{tmp_path}/p\xff.png"] * 4
    assert rows[0]["distorted"] == r"encoded/jpeg/p\xff_q20.jpg"


def test_encoded_files_and_a_page_of_others(photos, table, tmp_path):
    out = tmp_path / "out"
    (out / "encoded").mkdir(parents=True)
    (out / "encoded" / "mine.txt").touch()
    _, err, code = run("rd", photos, "--codec", "jpeg", "--metric", "psnr", "--out", out)
    assert code == 2
    assert "encoded: exists, and this command did not write it" in err
    (tmp_path / "index.html").write_text("mine")
    _, err, code = run("rd", "--pairs", table, "--metric", "psnr", "--report", tmp_path)
    assert code == 2
    assert "index.html: exists, and this command did not write it" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "give either PHOTOS or --pairs"),
        (("photos",), "give --out DIR"),
        (("photos", "--out", "out"), "name a codec"),
        (("photos", "--out", "out", "--codec", "x"), "choose from jpeg"),
        (("p", "--out", "OUT", "--codec", "jpeg", "--anchor", "x"), "--anchor x: no such codec"),
        (
            ("p", "--out", "OUT", "--codec", "jpeg", "--metric", "psnr", "--at", "ssim=1"),
            "--at ssim",
        ),
        (("none.png", "--out", "OUT", "--codec", "jpeg"), "none.png: no such file or folder"),
        (("--pairs", "TABLE", "--codec", "jpeg"), "for PHOTOS"),
        (("--pairs", "TABLE", "--quality", "50"), "for PHOTOS"),
        (("--pairs", "TABLE", "--metric", "psnr", "--anchor", "x"), "plain, optimised"),
        (("--pairs", "TABLE", "--metric", "psnr", "--at", "psnr"), "psnr: give a metric and"),
        (("--pairs", "TABLE", "--metric", "psnr", "--at", "psnr=inf"), "inf: give a metric and"),
        (("--pairs", "TABLE", "--metric", "psnr", "--at", "ssim=1"), "ssim: not one of"),
    ],
)
def test_bad_usage(table, arguments, message):
    words = {"TABLE": str(table), "OUT": str(table.parent / "out")}
    arguments = [words.get(word, word) for word in arguments]
    _, err, code = run("rd", *arguments)
    assert code == 2
    assert message in err
