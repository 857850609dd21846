"""Small data sets in their authors' layouts, with a different image for every name, and checks."""

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import data_pipelines
from data_pipelines import catalogue
from gsn_jax.errors import InputError

HEIGHT, WIDTH = 6, 8


def picture(name, height=HEIGHT, width=WIDTH):
    """An image that depends on the name only; names that differ in case alone share it."""
    seed = list(name.lower().encode())
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def save(folder, name, key=None):
    """Writes the picture of `key` (default: the name) in the format that the name's suffix says."""
    path = Path(folder, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture(key or path.name)).save(path)


def check_pairs(source, expected):
    assert len(source) == len(expected)
    for i, (reference, distorted, score, deviation, quality, content, kind, level) in enumerate(
        expected
    ):
        pair = source[i]
        np.testing.assert_array_equal(pair["reference"], picture(reference))
        np.testing.assert_array_equal(pair["distorted"], picture(distorted))
        assert pair["score"] == score
        np.testing.assert_allclose(pair["score_std"], deviation, rtol=1e-12)
        np.testing.assert_allclose(pair["quality"], quality, atol=1e-7)
        assert pair["reference_id"] == content == source.reference_ids[i]
        assert (pair["distortion_type"], pair["distortion_level"]) == (kind, level)
        assert source.image_size(i) == (HEIGHT, WIDTH)


def left_behind(folder):
    return sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*"))


class BuilderTests:
    """Tests that hold for every builder, on the fixture `small`: a folder and its expected pairs.

    A test module derives a class `Test...` from this one and sets `name` to its data set.
    """

    name: str

    def test_the_folder_is_built_and_read(self, small, tmp_path):
        (folder, expected), data, stages = small, tmp_path / "data", []
        catalogue.prepare(self.name, folder, data, progress=lambda *args: stages.append(args))
        check_pairs(data_pipelines.load(self.name, data_dir=data), expected)
        check_pairs(data_pipelines.load(self.name, "all", data), expected)
        references = len({row[0] for row in expected})
        assert stages[-1] == ("images", references + len(expected), references + len(expected))
        assert len(catalogue.builder(self.name, data).records("references")) == references
        assert "tensorflow" not in sys.modules

    def test_names_in_another_case_are_found(self, small, tmp_path):
        (folder, expected), data = small, tmp_path / "data"
        for path in sorted(folder.rglob("*"), key=lambda path: -len(path.parts)):
            path.rename(path.with_name(path.name.swapcase()))
        catalogue.prepare(self.name, folder, data)
        check_pairs(data_pipelines.load(self.name, data_dir=data), expected)

    def test_a_folder_that_is_missing_or_has_no_table(self, small, tmp_path):
        (folder, _), data = small, tmp_path / "data"
        with pytest.raises(InputError, match="no such folder"):
            catalogue.prepare(self.name, folder / "none", data)
        empty = folder / "empty"
        empty.mkdir()
        with pytest.raises(InputError, match=r"download|ask for|put the images"):
            catalogue.prepare(self.name, empty, data)


def small_folder(tmp_path, monkeypatch, builder, references, pairs):
    """An empty folder; `builder` then expects this number of references and pairs."""
    folder = tmp_path / "downloads"
    folder.mkdir()
    monkeypatch.setattr(builder, "NUM_REFERENCES", references)
    monkeypatch.setattr(builder, "NUM_PAIRS", pairs)
    return folder


def check_broken_table(name, folder, data, table, words):
    """Checks that a file that is not the table is refused."""
    (folder / table).write_bytes(b"something else")
    with pytest.raises(InputError, match=words):
        catalogue.prepare(name, folder, data)


def check_broken_row(name, folder, data, table, old, new, words):
    """Checks that the error for a broken row names it."""
    path = folder / table
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(InputError, match=words):
        catalogue.prepare(name, folder, data)
