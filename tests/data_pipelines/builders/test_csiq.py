"""The builder of CSIQ on a small set in the authors' layout."""

import shutil
from pathlib import Path

import openpyxl
import pytest
from small_data_sets import (
    BuilderTests,
    check_broken_table,
    check_pairs,
    save,
    small_folder,
)

import data_pipelines
from data_pipelines import catalogue
from data_pipelines.builders.csiq import Csiq
from gsn_jax.errors import InputError


@pytest.fixture
def small(tmp_path, monkeypatch):
    """Folder in the authors' layout, and the pairs expected of it."""
    folder = small_folder(tmp_path, monkeypatch, Csiq, 2, 6)
    rows = [
        (1600, 1, "noise", 1, 0.06, 0.25, "AWGN/1600.AWGN.1.png", "white_noise"),
        (1600, 2, "jpeg", 5, 0.01, 1, "JPEG/1600.JPEG.5.png", "jpeg"),
        (1600, 3, "jpeg 2000", 2, 0.02, 0, "jpeg2000/1600.jpeg2000.2.png", "jpeg2000"),
        ("woman", 4, "fnoise", 3, 0.03, 0.5, "fnoise/woman.fnoise.3.png", "pink_noise"),
        ("woman", 5, "blur", 4, 0.04, 0.75, "blur/woman.BLUR.4.png", "gaussian_blur"),
        ("woman", 6, "contrast", 1, 0.05, 0.125, "contrast/woman.contrast.1.png", "contrast"),
    ]
    for name in ("1600", "woman"):
        save(folder, f"src_imgs/{name}.png")
    for row in rows:
        save(folder, f"dst_imgs/{row[6]}")
    book = openpyxl.Workbook()
    book.active.title = "realign"
    sheet = book.create_sheet("all_by_image")
    for column, name in enumerate(("image", "dst_idx", "dst_type", "dst_lev", "dmos_std", "dmos")):
        sheet.cell(4, 4 + column, name)
        for line, row in enumerate(rows):
            sheet.cell(5 + line, 4 + column, row[column])
    book.save(Path(folder, "csiq.DMOS.xlsx"))
    return folder, [
        (f"{r[0]}.png", r[6].split("/")[1].lower(), r[5], r[4], 1 - r[5], str(r[0]), r[7], r[3])
        for r in rows
    ]


class TestCsiq(BuilderTests):
    name = "csiq"


def test_it_comes_in_two_archives_and_a_table(small, tmp_path):
    (folder, expected), packed = small, tmp_path / "packed"
    packed.mkdir()
    for name in ("src_imgs", "dst_imgs"):
        shutil.make_archive(packed / name, "zip", folder, name)
    shutil.copy(folder / "csiq.DMOS.xlsx", packed / "CSIQ.beta.xlsx")
    catalogue.prepare("csiq", packed, tmp_path / "data")
    check_pairs(data_pipelines.load("csiq", data_dir=tmp_path / "data"), expected)


def test_broken_rows_are_named(small, tmp_path):
    folder, _ = small
    book = openpyxl.load_workbook(folder / "csiq.DMOS.xlsx")
    book["all_by_image"]["F6"] = "sepia"
    book["all_by_image"]["I8"] = None
    book.save(folder / "csiq.DMOS.xlsx")
    with pytest.raises(InputError, match=r"csiq\.DMOS\.xlsx, row 6: .*; csiq\.DMOS\.xlsx, row 8: "):
        catalogue.prepare("csiq", folder, tmp_path / "data")


def test_a_table_that_is_something_else(small, tmp_path):
    words = r"csiq\.DMOS\.xlsx: .*download"
    check_broken_table("csiq", small[0], tmp_path / "data", "csiq.DMOS.xlsx", words)
