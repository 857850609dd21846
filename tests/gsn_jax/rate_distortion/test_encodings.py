"""Tables of encodings."""

import numpy as np
import pytest
from PIL import Image

from gsn_jax.errors import InputError
from gsn_jax.rate_distortion.encodings import read_table


@pytest.fixture
def folder(tmp_path):
    image = Image.fromarray(np.zeros((10, 20, 3), np.uint8))
    image.save(tmp_path / "a.png")
    image.save(tmp_path / "a.jpg")
    return tmp_path


def read(folder, text):
    (folder / "t.csv").write_text(text)
    return read_table(folder / "t.csv")


def test_bytes_are_the_files_or_the_columns(folder):
    first, second = read(
        folder,
        "reference,distorted,codec,setting,bytes\na.png,a.jpg,jpeg,75,\na.png,a.jpg,jpeg,80,50\n",
    )
    assert first.size == (folder / "a.jpg").stat().st_size
    assert (second.size, second.pixels, second.rate) == (50, 200, 2.0)
    assert (second.image, second.codec, second.setting) == ("a.png", "jpeg", "80")


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("a.png,b.jpg,jpeg,75,", "b.jpg: No such file"),
        ("a.png,a.jpg,jpeg,75,many", "whole number"),
        ("a.png,a.jpg,jpeg,75,0", "above 0"),
        ("b.png,a.jpg,jpeg,75,9", "b.png: not an image"),
    ],
)
def test_a_bad_row_carries_its_problem(folder, row, problem):
    (item,) = read(folder, f"reference,distorted,codec,setting,bytes\n{row}\n")
    assert problem in item.pair.problem
    assert "line 2" in item.pair.problem
    assert np.isnan(item.rate)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("reference,distorted\n", "lacks codec, setting"),
        ("reference,distorted,codec,setting\n", "no pairs below"),
        ("reference,distorted,codec,setting\n" + "a.png,a.jpg,j,1\n" * 2, "line 3.* in line 2"),
        ("reference,distorted,codec,setting\na.png,a.jpg,,75\n", "line 2: no codec given; name it"),
    ],
)
def test_a_bad_table_is_refused(folder, text, message):
    with pytest.raises(InputError, match=message):
        read(folder, text)
