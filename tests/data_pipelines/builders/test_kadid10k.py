"""The builder of KADID-10k on a small set in the authors' layout."""

import csv
from pathlib import Path

import pytest
from small_data_sets import (
    BuilderTests,
    check_broken_row,
    save,
    small_folder,
)

from data_pipelines.builders.kadid10k import Kadid10k


@pytest.fixture
def small(tmp_path, monkeypatch):
    """Folder in the authors' layout, and the pairs expected of it."""
    folder = small_folder(tmp_path, monkeypatch, Kadid10k, 2, 3)
    rows = [
        ("I01_01_01.png", "I01.png", "4.57", "0.25"),
        ("I01_25_05.png", "I01.png", "1", "0"),
        ("I81_10_03.png", "I81.png", "5", "1.44"),
    ]
    for distorted, reference, _, _ in rows:
        save(folder, f"kadid10k/images/{distorted}")
        save(folder, f"kadid10k/images/{reference}")
    with open(Path(folder, "kadid10k", "dmos.csv"), "w", newline="") as file:
        csv.writer(file).writerows([("dist_img", "ref_img", "dmos", "var"), *rows])
    return folder, [
        ("I01.png", "I01_01_01.png", 4.57, 0.5, 3.57 / 4, "i01", "gaussian_blur", 1),
        ("I01.png", "I01_25_05.png", 1, 0, 0, "i01", "contrast", 5),
        ("I81.png", "I81_10_03.png", 5, 1.2, 1, "i81", "jpeg", 3),
    ]


class TestKadid10k(BuilderTests):
    name = "kadid10k"


@pytest.mark.parametrize(
    ("table", "old", "new", "words"),
    [
        ("kadid10k/dmos.csv", "I01_25_05.png,", "I01-25-05.png,", "line 3: 'I01-25-05.png' is not"),
        ("kadid10k/dmos.csv", "I01_25_05.png,", "I01_00_05.png,", "line 3: 'I01_00_05.png' is not"),
        ("kadid10k/dmos.csv", "I01_25_05.png,", "I01_26_05.png,", "line 3: 'I01_26_05.png' is not"),
        ("kadid10k/dmos.csv", "I01_25_05.png,", "I01_25_00.png,", "line 3: 'I01_25_00.png' is not"),
        ("kadid10k/dmos.csv", "I01_25_05.png,", "I01_25_77.png,", "line 3: 'I01_25_77.png' is not"),
        ("kadid10k/dmos.csv", "dmos,var", "mos,var", "dmos.csv, line 2: not"),
        ("kadid10k/dmos.csv", "4.57", "", "dmos.csv, line 2"),
        ("kadid10k/dmos.csv", "I01_25_05.png,I01.png,1", "\nx", "dmos.csv, line 4: 'x' is not"),
        ("kadid10k/dmos.csv", "4.57", "4_57", "dmos.csv, line 2"),
    ],
)
def test_broken_rows_are_named(small, tmp_path, table, old, new, words):
    check_broken_row("kadid10k", small[0], tmp_path / "data", table, old, new, words)
