"""Regenerating TID2013, in small crops, from a table that the test makes itself."""

from __future__ import annotations

import csv
import gzip
import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

from data_pipelines import distortions
from data_pipelines.regenerate_tid2013 import regenerate
from data_pipelines.tid2013 import crops, fidelity, published, recipes
from gsn_jax.errors import InputError

_SCENES = (1, 2)
_TYPES = (1, 10, 16)
_NOISE = (4.0, 6.0, 9.0, 14.0, 21.0)


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Iterator[Path]:
    """Photographs of Kodak's size under Kodak's names, of which small crops are taken."""
    folder = tmp_path_factory.mktemp("kodak")
    image = np.tile(data.astronaut(), (1, 2, 1))
    for scene in _SCENES:
        Image.fromarray(image[:, 40 * scene : 40 * scene + 768]).save(
            folder / f"kodim{scene:02d}.png", compress_level=1
        )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(crops, "HEIGHT", 144)
        patch.setattr(crops, "WIDTH", 192)
        yield folder


def _distorted(reference: np.ndarray, number: int, level: int) -> np.ndarray:
    """What the fake table is computed from: strengths that the regeneration has to find."""
    if number == 1:
        noise = np.random.default_rng(99).normal(size=reference.shape) * _NOISE[level - 1]
        return np.clip(np.rint(reference + noise), 0, 255).astype(np.uint8)
    if number == 10:
        quality = (80, 60, 23, 8, 4)[level - 1]
        return recipes.jpeg_of_quality(reference, quality, np.random.default_rng(0))
    shift = (6, -10, 20, -30, 40)[level - 1]
    return np.clip(reference.astype(int) + shift, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def tables(photos, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("tables")
    with gzip.open(folder / published.TABLE, "wt", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["name", "mos", "mos_std", "psnr_rgb", "ssim", "ms_ssim", "vif", "gmsd"])
        for scene in _SCENES:
            reference = crops.reference(photos, scene)
            for number in _TYPES:
                for level in range(1, 6):
                    image = _distorted(reference, number, level)
                    psnr, ssim, gmsd = (
                        measure(reference, image)
                        for measure in (fidelity.psnr, fidelity.ssim, fidelity.gmsd)
                    )
                    name = f"I{scene:02d}_{number:02d}_{level}.BMP"
                    writer.writerow([name, 9 - level, 0.1 * level, psnr, ssim, 0, 0, gmsd])
    return folder


def _digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.slow
def test_pairs_have_the_published_psnr_and_opinion(photos, tables, tmp_path):
    table = regenerate(photos, tables, tmp_path / "out", types=_TYPES, scenes=_SCENES, workers=1)
    targets = published.read(tables)
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 30
    for row in rows:
        reference = np.asarray(Image.open(table.parent / row["reference"]))
        distorted = np.asarray(Image.open(table.parent / row["distorted"]))
        scene, level = int(row["group"][1:]), int(row["level"])
        number = distortions.get(row["type"]).tid2013
        target = targets[scene, number, level]
        assert fidelity.psnr(reference, distorted) == pytest.approx(target.psnr, abs=0.01)
        assert (float(row["score"]), float(row["score_std"])) == (target.mos, target.mos_std)
        assert row["split"] == ("reserved" if scene == 1 else "train")
        if number in (10, 16):  # nothing random: the very image, its sign found through SSIM
            np.testing.assert_array_equal(distorted, _distorted(reference, number, level))


def test_an_interrupted_run_is_continued_with_the_same_bytes(photos, tables, tmp_path):
    options = {"types": (10,), "scenes": (2,), "workers": 1}
    whole = regenerate(photos, tables, tmp_path / "whole", **options).parent

    def stop(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        regenerate(photos, tables, tmp_path / "again", stop, **options)
    assert not (tmp_path / "again" / "pairs.csv").exists()
    seen = []
    regenerate(photos, tables, tmp_path / "again", lambda *p: seen.append(p), **options)
    assert seen[0] == (2, 5)
    assert _digests(tmp_path / "again") == _digests(whole)


def test_an_image_that_misses_the_published_values_is_left_out(photos, tables, tmp_path):
    rows = gzip.decompress((tables / published.TABLE).read_bytes()).decode().splitlines()
    off = [
        line.rsplit(",", 1)[0] + ",0.9" if line.startswith("I02_10_3") else line for line in rows
    ]
    with gzip.open(tmp_path / published.TABLE, "wt") as file:
        file.write("\n".join(off))
    out = tmp_path / "out"
    for _ in range(2):  # the second run has nothing left to do and writes the same table
        table = regenerate(photos, tmp_path, out, types=(10,), scenes=(2,), workers=1)
        assert [line.split(",")[5] for line in table.read_text().split()[1:]] == list("1245")
    note = out / "distorted" / "i02_10_3.missed.txt"
    assert "instead of 0.90000" in note.read_text()


def test_wrong_input_is_one_clear_line(photos, tables, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(InputError, match=r": no kodim05\.png"):
        regenerate(photos, tables, out, scenes=(5,))
    with pytest.raises(InputError, match="scene 23: no crop"):
        regenerate(photos, tables, out, scenes=(23,))
    with pytest.raises(InputError, match="the types 1 to 24"):
        regenerate(photos, tables, out, types=(25,))
    with pytest.raises(InputError, match="no such file"):
        regenerate(photos, tmp_path, out)
    (tmp_path / published.TABLE).write_bytes(b"not gzip")
    with pytest.raises(InputError, match="cannot be read"):
        regenerate(photos, tmp_path, out)
    damaged = bytearray(gzip.compress(b"name,mos\n" * 100))
    damaged[10:20] = b"\xff" * 10
    (tmp_path / published.TABLE).write_bytes(damaged)
    with pytest.raises(InputError, match="cannot be read"):
        regenerate(photos, tmp_path, out)
    with gzip.open(tmp_path / published.TABLE, "wt") as file:
        file.write("name,mos\ni01_01_1.bmp,5\n")
    with pytest.raises(InputError, match="lacks the columns"):
        regenerate(photos, tmp_path, out)
    assert not out.exists(), "nothing half-built is left behind"
    out.mkdir()
    (out / "mine.txt").write_text("something else")
    with pytest.raises(InputError, match="not empty"):
        regenerate(photos, tables, out, types=(10,), scenes=(2,))
    (out / "mine.txt").unlink()
    (out / "regeneration.txt").write_text("0\n")
    with pytest.raises(InputError, match="another version"):
        regenerate(photos, tables, out, types=(10,), scenes=(2,))
