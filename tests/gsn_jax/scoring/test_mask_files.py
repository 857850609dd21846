import re

import numpy as np
import pytest
from PIL import Image

from gsn_jax.errors import InputError
from gsn_jax.scoring.mask_files import give_masks
from gsn_jax.scoring.pairs import Pair

LIMIT = 10**6


def pair(reference, distorted):
    return Pair(reference, distorted, None, None)


def save(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((4, 4), 255, np.uint8)).save(path)


def test_one_mask_for_all(tmp_path):
    save(tmp_path / "m.png")
    pairs = give_masks([pair("a.png", "b.png")] * 2, str(tmp_path / "m.png"), LIMIT)
    assert {p.mask_file for p in pairs} == {tmp_path / "m.png"}
    assert pairs[0].mask == str(tmp_path / "m.png")


def test_a_folder_by_the_names_of_distorted_images_then_of_references(tmp_path):
    for name in ("a.png", "b_q10.png", "deep/c.png"):
        save(tmp_path / name)
    pairs = [
        pair("o/a.bmp", "e/x.jpg"),
        pair("o/b.png", "e/b_q10.jpg"),
        pair("o/c", "e/deep/c_1.png"),
    ]
    masks = [p.mask_file for p in give_masks(pairs, tmp_path, LIMIT)]
    assert masks == [tmp_path / name for name in ("a.png", "b_q10.png", "deep/c.png")]


def test_a_mask_that_is_missing_or_ambiguous_is_one_line(tmp_path):
    save(tmp_path / "a.png")
    message = "no mask for 1 of 2 pairs, the first is z.png; name each mask like"
    with pytest.raises(InputError, match=message):
        give_masks([pair("a.png", "a.png"), pair("y.png", "z.png")], tmp_path, LIMIT)
    save(tmp_path / "a.bmp")
    with pytest.raises(InputError, match=re.escape("2 masks match a.png (a.bmp, a.png); rename")):
        give_masks([pair("a.png", "a.png")], tmp_path, LIMIT)
    with pytest.raises(InputError, match="no such file"):
        give_masks([pair("a.png", "a.png")], tmp_path / "none.png", LIMIT)
