"""The encoded photographs of `codec_order.py`, and its shares."""

import csv
import sys

import codec_order
import numpy as np
import pytest
from PIL import Image

from gsn_jax.errors import InputError


@pytest.fixture
def photos(tmp_path):
    """Two photographs of equal names in subfolders, in different gray."""
    for folder, value in (("x", 50), ("y", 200)):
        (tmp_path / "photos" / folder).mkdir(parents=True)
        Image.new("RGB", (16, 16), (value,) * 3).save(tmp_path / "photos" / folder / "same.png")
    (tmp_path / "photos" / "README").write_text("not an image")
    return tmp_path / "photos"


def test_photographs_of_equal_names_are_kept_apart(photos, tmp_path, monkeypatch):
    jpeg = codec_order.CODECS["jpeg"][0]
    monkeypatch.setattr(codec_order, "CODECS", {"jpeg": (jpeg, (90,))})
    table = codec_order.encode_folder(photos, tmp_path / "out")
    with table.open(newline="", encoding="utf-8") as file:
        rows = [(row["reference"], row["distorted"]) for row in csv.DictReader(file)]
    assert rows == [("x/same.png", "x/same_jpeg_90.png"), ("y/same.png", "y/same_jpeg_90.png")]
    for names, value in zip(rows, (50, 200), strict=True):
        for name in names:
            np.testing.assert_allclose(np.asarray(Image.open(table.parent / name)), value, atol=3)


def test_a_folder_without_photographs_is_one_line(tmp_path, monkeypatch, capsys):
    (tmp_path / "README").write_text("not an image")
    command = ["codec_order", "encode", str(tmp_path), str(tmp_path / "out")]
    monkeypatch.setattr(sys, "argv", command)
    with pytest.raises(SystemExit, match="2"):
        codec_order.main()
    assert "no images" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_table_that_is_missing_is_one_line(tmp_path, monkeypatch, capsys):
    table = tmp_path / "points.csv"
    monkeypatch.setattr(sys, "argv", ["codec_order", "shares", str(table)])
    with pytest.raises(SystemExit, match="2"):
        codec_order.main()
    message = f"codec_order: {table}: No such file or directory; check the path\n"
    assert capsys.readouterr().err == message


def row(codec, size, psnr, gmsd):
    return {"reference": "a", "codec": codec, "bytes": size, "psnr": psnr, "gmsd": gmsd}


def test_codecs_that_the_table_lacks_have_no_column():
    rows = [row("webp", "10", "30", "0.2"), row("webp", "30", "32", "0.3")]
    rows += [row("webp", "20", "31", "0.1"), row("avif", "9", "30", "0.1")]
    head, _, *body = (line.strip("| ").split() for line in codec_order.shares(rows).splitlines())
    assert head == ["metric", "|", "webp"]
    assert body == [["psnr", "|", "1.000"], ["gmsd", "|", "0.500"]]


def test_pairs_without_a_score_do_not_count():
    rows = [row("webp", "10", "30", "0.2"), row("webp", "20", "", "0.1")]
    *_, psnr, gmsd = (line.strip("| ").split() for line in codec_order.shares(rows).splitlines())
    assert (psnr[2], gmsd[2]) == ("nan", "1.000")


def test_a_table_without_codecs_is_refused():
    with pytest.raises(InputError, match="lacks the column codec"):
        codec_order.shares([{"reference": "a", "bytes": "3", "psnr": "30"}])


@pytest.mark.parametrize("rows", [[], [row("jpeg", "10", "30", "0.2")]])
def test_a_table_without_neighbours_is_refused(rows):
    with pytest.raises(InputError, match="the table lacks two settings of jpeg, webp"):
        codec_order.shares(rows)
