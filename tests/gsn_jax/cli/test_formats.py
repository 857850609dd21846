"""One photograph in every format, by every door; and what the command line says of formats."""

import csv
import importlib.util
import io

import imagecodecs
import numpy as np
import pyarrow.parquet
import pytest
from click.testing import CliRunner
from image_files import DISPLAY_P3, profile, srgb_curve
from PIL import Image

from data_pipelines import decoding
from gsn_jax import cli, images
from gsn_jax.images import formats, installed
from gsn_jax.serving.page import handlers


@pytest.fixture
def folder(tmp_path, photo):
    """The folder `original` with a PNG, and `encoded` with the same picture in all formats."""
    pillow_heif = pytest.importorskip("pillow_heif")
    pixels = np.ascontiguousarray(photo[:48, :64])
    image = Image.fromarray(pixels)
    (tmp_path / "original").mkdir()
    (tmp_path / "encoded").mkdir()
    image.save(tmp_path / "original" / "photo.png")
    written = {
        "jxl": imagecodecs.jpegxl_encode(pixels, lossless=True),
        "qoi": imagecodecs.qoi_encode(pixels),
        "pfm": b"PF\n64 48\n-1.0\n" + np.float32(pixels[::-1] / 255).tobytes(),
    }
    buffer = io.BytesIO()
    pillow_heif.from_pillow(image).save(buffer, quality=90)
    written["heic"] = buffer.getvalue()
    for suffix, data in written.items():
        (tmp_path / "encoded" / f"photo.{suffix}").write_bytes(data)
    for suffix, options in {
        "png": {},
        "bmp": {},
        "tif": {},
        "ppm": {},
        "gif": {},
        "jp2": {},
        "jpg": {"quality": 90},
        "webp": {"lossless": True},
        "avif": {"quality": 90},
    }.items():
        image.save(tmp_path / "encoded" / f"photo.{suffix}", **options)
    return tmp_path


LOSSLESS = {"png", "bmp", "tif", "ppm", "jp2", "webp", "jxl", "qoi", "pfm"}


def run(*arguments):
    return CliRunner().invoke(cli.cli, [str(argument) for argument in arguments])


def check(scores):
    """`scores`: name of the file -> PSNR."""
    assert len(scores) == 13
    for name, score in scores.items():
        suffix = name.rpartition(".")[2]
        if suffix in LOSSLESS:
            assert score == np.inf, name
        else:
            assert 25 < score < np.inf, name


def test_two_folders(folder):
    done = run("score", "--reference-dir", folder / "original", "--distorted-dir",
               folder / "encoded", "--metric", "psnr")  # fmt: skip
    assert (done.exit_code, done.stderr) == (0, "")
    rows = csv.DictReader(done.stdout.splitlines())
    check({row["distorted"]: float(row["psnr"]) for row in rows})


def test_a_table_by_beam(folder):
    names = sorted(path.name for path in (folder / "encoded").iterdir())
    rows = "".join(f"original/photo.png,encoded/{name}\n" for name in names)
    (folder / "pairs.csv").write_text("reference,distorted\n" + rows)
    done = run("score", "--pairs", folder / "pairs.csv", "--metric", "psnr", "--runner",
               "beam", "--out", folder / "scores")  # fmt: skip
    assert done.exit_code == 0, done.stderr
    rows = pyarrow.parquet.read_table(folder / "scores").to_pylist()
    check({row["distorted"]: row["psnr"] for row in rows})


def test_the_page(folder):
    names = sorted(str(path) for path in (folder / "encoded").iterdir())
    ranking = handlers.rank(
        str(folder / "original" / "photo.png"), names, ["psnr"], limits=handlers.Limits()
    )
    assert not ranking.failed
    check({item.pair.distorted: item.scores["psnr"] for item in ranking.scored})


def test_the_input_pipeline(folder):
    want = np.asarray(Image.open(folder / "original" / "photo.png"), int)
    for path in (folder / "encoded").iterdir():
        got = decoding.read_image(path)
        assert got.dtype == np.uint8
        assert np.abs(got - want).mean() < 8, path


def test_a_folder_of_heic_without_the_extra(folder, monkeypatch):
    """They are not left out without a word."""
    for path in (folder / "encoded").iterdir():
        if path.suffix != ".heic":
            path.unlink()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    done = run("score", "--reference-dir", folder / "original", "--distorted-dir",
               folder / "encoded", "--metric", "psnr")  # fmt: skip
    assert done.exit_code == 2
    assert "photo.heic: HEIC needs the extra `formats`; run: pip install" in done.stderr


def test_formats_are_listed(monkeypatch):
    done = run("--formats")
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert [line.partition(" (")[0] for line in lines] == [title for _, title, _ in formats.TABLE]
    assert f"JPEG XL (.jxl): imagecodecs {imagecodecs.__version__}" in lines
    assert {suffix for line in lines for suffix in line.partition("(")[2].partition(")")[0].split()
            } == set(images.SUFFIXES)  # fmt: skip
    monkeypatch.setattr(installed, "FORMATS", ("PNG",))
    lines = run("--formats").stdout.splitlines()
    assert "HEIC (.heic .heif): unavailable; needs the extra `formats`" in "\n".join(lines)
    assert "AVIF (.avif): unavailable; this build of pillow lacks it" in lines


def test_warnings_are_shown_once_and_counted(tmp_path):
    red = np.zeros((16, 16, 3), np.uint8)
    red[:4, :, 0] = 255
    icc = profile("rgb", primaries=DISPLAY_P3, curve=srgb_curve())
    for index in range(12):
        Image.fromarray(red).save(tmp_path / f"{index:02}.png", icc_profile=icc)
    names = sorted(tmp_path.iterdir())
    done = run("score", *names, "--metric", "psnr")
    assert done.exit_code == 0
    *lines, last = done.stderr.splitlines()
    assert len(lines) == 10
    words = "25.0 % of the pixels have colours outside sRGB, which were clipped"
    assert set(lines) <= {f"gsn: {name}: {words}" for name in names}
    assert last == "gsn: ... and 2 more warnings"
