"""The builder of PIPAL on a small set in the authors' layout."""

from pathlib import Path

import pytest
from small_data_sets import (
    BuilderTests,
    check_broken_row,
    save,
    small_folder,
)

from data_pipelines.builders.pipal import Pipal


@pytest.fixture
def small(tmp_path, monkeypatch):
    """Folder in the authors' layout, and the pairs expected of it."""
    folder = small_folder(tmp_path, monkeypatch, Pipal, 2, 4)
    labels = {
        "A0001": [("A0001_00_00.bmp", "1520.0648"), ("A0001_06_26.bmp", "900")],
        "A0200": [("A0200_03_11.bmp", "1850"), ("A0200_05_02.bmp", "1375")],
    }
    Path(folder, "Train_Label").mkdir()
    for reference, rows in labels.items():
        save(folder, f"Train_Ref/{reference}.bmp")
        Path(folder, "Train_Label", f"{reference}.txt").write_text(
            "".join(f"{name},{score}\n" for name, score in rows)
        )
        for number, (name, _) in enumerate(rows, start=1):
            save(folder, f"Distortion_{number}/{name}")
    nan = float("nan")
    return folder, [
        ("A0001.bmp", "A0001_00_00.bmp", 1520.0648, nan, 620.0648 / 950, "A0001", "00", 0),
        ("A0001.bmp", "A0001_06_26.bmp", 900, nan, 0, "A0001", "06", 26),
        ("A0200.bmp", "A0200_03_11.bmp", 1850, nan, 1, "A0200", "03", 11),
        ("A0200.bmp", "A0200_05_02.bmp", 1375, nan, 0.5, "A0200", "05", 2),
    ]


class TestPipal(BuilderTests):
    name = "pipal"


@pytest.mark.parametrize(
    ("table", "old", "new", "words"),
    [
        ("Train_Label/A0200.txt", "A0200_05_02", "B0200_05_02", "A0200.txt, line 2"),
        ("Train_Label/A0001.txt", ",900", "", "A0001.txt, line 2"),
        ("Train_Label/A0001.txt", ",900", ",9_00", "A0001.txt, line 2"),
    ],
)
def test_broken_rows_are_named(small, tmp_path, table, old, new, words):
    check_broken_row("pipal", small[0], tmp_path / "data", table, old, new, words)
