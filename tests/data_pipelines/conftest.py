"""Small image pairs on disk, whose pixels encode their position and image."""

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


def position_image(height, width, number):
    """An image whose channels are row, column and number of the image."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack([rows, columns, np.full_like(rows, number)], -1).astype(np.uint8)


@pytest.fixture
def position_table(tmp_path):
    """A function that writes pairs of position images and their table, and returns its path.

    Pair i has the score i / (number of pairs). Its distorted image has the number 100 + i, its
    reference i % references.
    """

    def make(pairs=7, references=3, sizes=((20, 24),), suffix=".png"):
        folder = Path(tmp_path, f"pairs{len(list(tmp_path.iterdir()))}")
        folder.mkdir()
        rows = []
        for i in range(pairs):
            reference = i % references
            height, width = sizes[reference % len(sizes)]
            for name, number in ((f"r{reference}", reference), (f"d{i}", 100 + i)):
                image = Image.fromarray(position_image(height, width, number))
                image.save(folder / f"{name}{suffix}")
            rows.append([f"r{reference}{suffix}", f"d{i}{suffix}", i / pairs])
        with open(folder / "pairs.csv", "w", newline="") as file:
            csv.writer(file).writerows([["reference", "distorted", "score"], *rows])
        return folder / "pairs.csv"

    return make
