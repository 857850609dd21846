"""Encoding photographs: files, bytes, resumption, and what is refused."""

import json
import os

import numpy as np
import pytest
from PIL import Image

from gsn_jax.rate_distortion import codecs, encoding, own_files
from gsn_jax.rate_distortion.photos import find_photos


@pytest.fixture
def photos(tmp_path, photo):
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    Image.fromarray(photo).save(folder / "a.png")
    Image.fromarray(photo[::-1]).save(folder / "more" / "b.png")
    return folder


@pytest.fixture
def out(tmp_path):
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def encode(photos, out, names=("jpeg",), qualities=(30.0, 60.0), **options):
    found = find_photos([photos])
    chosen = dict.fromkeys(codecs.choose(names, [], []), qualities)
    return encoding.encode_all(found, chosen, out, workers=1, **options)


def contents(out):
    return {path: path.read_bytes() for path in sorted(out.rglob("*.*")) if path.is_file()}


def test_files_and_bytes(photos, out):
    items = encode(photos, out, ("jpeg", "jxl"))
    assert [(item.codec, item.setting) for item in items[:2]] == [("jpeg", "30"), ("jpeg", "60")]
    first, jxl = items[0], items[4]
    file = out / "encoded" / "jpeg" / "a_q30.jpg"
    assert first.pair.distorted_file == file
    assert first.size == file.stat().st_size
    assert first.pixels == 128 * 160
    assert first.encode_seconds > 0
    # JPEG XL is scored by its decoded pixels, and counted by its own bytes.
    assert jxl.size == (out / "encoded" / "jxl" / "a_q30.jxl").stat().st_size
    assert jxl.pair.distorted_file.name == "a_q30.decoded.png"
    assert (out / "encoded" / "jpeg" / "more" / "b_q60.jpg").exists()


def test_a_second_run_encodes_only_what_is_missing(photos, out):
    whole = encode(photos, out)
    before = contents(out)
    lost = out / "encoded" / "jpeg" / "a_q30.jpg"
    lost.unlink()
    (out / "encoded" / "jpeg" / "more" / "b_q60.jpg").write_bytes(b"half")
    calls = []
    again = encode(photos, out, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(2, 4), (3, 4), (4, 4)]
    files = {path: data for path, data in contents(out).items() if path.suffix == ".jpg"}
    assert files == {path: data for path, data in before.items() if path.suffix == ".jpg"}
    assert [item.size for item in again] == [item.size for item in whole]


def test_a_row_without_its_times_is_made_again(photos, out):
    whole = encode(photos, out)
    store = out / own_files.RD_STORE
    lines = store.read_text().splitlines()
    key, row = json.loads(lines[1])
    del row["seconds"]
    store.write_text("\n".join([lines[0], json.dumps([key, row]), *lines[2:]]) + "\n")
    calls = []
    again = encode(photos, out, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(3, 4), (4, 4)]
    assert [item.size for item in again] == [item.size for item in whole]


def test_what_a_killed_run_has_left_is_removed(photos, out):
    folder = out / "encoded" / "jxl"
    folder.mkdir(parents=True)
    (folder / ".a_q30.jxl.new").write_bytes(b"half")
    (folder / ".a_q30.decoded.png.new").write_bytes(b"half")
    items = encode(photos, out, ("jxl",))
    assert not [path for path in out.rglob(".*") if path.is_file()]
    decoded = np.asarray(Image.open(items[0].pair.distorted_file))
    assert np.square(decoded - np.asarray(Image.open(photos / "a.png"), float)).mean() < 100


def test_a_changed_photograph_is_encoded_again(photos, out):
    encode(photos, out)
    Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save(photos / "a.png")
    calls = []
    items = encode(photos, out, progress=lambda done, total: calls.append(done))
    assert calls == [2, 3, 4]
    assert items[0].pixels == 256


def test_another_photograph_of_the_same_name_size_and_time_is_encoded(photos, out, tmp_path):
    copies = []
    for name, value in (("one", 40), ("two", 200)):
        (tmp_path / name).mkdir()
        copies.append(tmp_path / name / "c.bmp")
        Image.new("RGB", (16, 16), (value,) * 3).save(copies[-1])
        os.utime(copies[-1], (1e9, 1e9))
    (tmp_path / "files").mkdir()
    for copy in copies:
        items = encode(copy.parent, tmp_path / "files")
        decoded = np.asarray(Image.open(items[0].pair.distorted_file), int)
        assert np.abs(decoded - np.asarray(Image.open(copy), int)).max() < 20


def test_a_photograph_that_fails_does_not_stop_the_others(photos, out):
    (photos / "a.png").write_bytes(b"nothing")
    bad, _, good, _ = encode(photos, out)
    assert "a.png: not an image" in bad.pair.problem
    assert good.size > 0


@pytest.mark.slow
def test_processes_give_the_same_files(photos, out, tmp_path):
    (tmp_path / "other").mkdir()
    encode(photos, out)
    found = find_photos([photos])
    chosen = dict.fromkeys(codecs.choose(["jpeg"], [], []), (30.0, 60.0))
    encoding.encode_all(found, chosen, tmp_path / "other", workers=2)
    mine, others = (
        {path.name: data for path, data in contents(folder).items() if path.suffix == ".jpg"}
        for folder in (out, tmp_path / "other")
    )
    assert mine == others
