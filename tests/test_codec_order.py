"""The encoded photographs of `codec_order.py`."""

import csv
import sys

import codec_order
import numpy as np
import pytest
from PIL import Image


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
