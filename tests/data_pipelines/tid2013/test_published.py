"""The table of TID2013's published values."""

import gzip

import pytest

from data_pipelines.tid2013 import published
from gsn_jax.errors import InputError

HEADER = "name,mos,mos_std,psnr_rgb,ssim,gmsd\n"


def test_rows_are_keyed_by_scene_type_and_level(tmp_path):
    table = tmp_path / published.TABLE
    table.write_bytes(gzip.compress(f"{HEADER}\nI03_10_2.BMP,5.5,0.125,30,0.75,0.0625\n".encode()))
    row = published.Published(5.5, 0.125, 30.0, 0.75, 0.0625)
    assert published.read(tmp_path) == published.read(table) == {(3, 10, 2): row}


def test_a_broken_row_is_named_by_its_line_in_the_file(tmp_path):
    table = tmp_path / published.TABLE
    rows = "I03_10_2.BMP,5.5,0.125,30,0.75,0.0625\n\nI03_10_3.BMP,5.5,?,30,0.75,0.0625\n"
    table.write_bytes(gzip.compress(f"{HEADER}\n{rows}".encode()))
    with pytest.raises(InputError, match="line 5: not the values of a TID2013 image"):
        published.read(tmp_path)
