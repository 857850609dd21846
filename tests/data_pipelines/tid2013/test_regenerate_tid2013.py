"""Regenerating TID2013 from a table that the test makes itself, and against the real one."""

from __future__ import annotations

import csv
import gzip
import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

from data_pipelines import distortions
from data_pipelines.regenerate_tid2013 import make, regenerate
from data_pipelines.tid2013 import crops, fidelity, matching, published, recipes
from gsn_jax.errors import InputError

_SCENES = (1, 2)
_TYPES = (1, 10, 16)
_NOISE = (4.0, 6.0, 9.0, 14.0, 21.0)


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    """Photographs of Kodak's size under Kodak's names."""
    folder = tmp_path_factory.mktemp("kodak")
    image = np.tile(data.astronaut(), (1, 2, 1))
    for scene in _SCENES:
        Image.fromarray(image[:, 40 * scene : 40 * scene + 768]).save(
            folder / f"kodim{scene:02d}.png", compress_level=1
        )
    return folder


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


@pytest.mark.parametrize("target", [45.0, 33.0, 24.0, 12.0])
def test_matching_finds_the_strength_of_a_known_law(target):
    reference = np.zeros((64, 64, 3), np.uint8)

    def distort(strength: float) -> np.ndarray:
        # a share of the pixels is off by one step: PSNR follows the strength almost smoothly
        share = np.linspace(0, 1, reference.size).reshape(reference.shape)
        return np.where(share < strength % 1, np.floor(strength) + 1, np.floor(strength)).astype(
            np.uint8
        )

    match = matching.match_psnr(distort, reference, target, (0.05, 200.0))
    assert match.psnr == pytest.approx(target, abs=0.01)
    # PSNR t means a root mean square error of 255 * 10^(-t / 20)
    assert match.strength == pytest.approx(255 * 10 ** (-target / 20), rel=0.2)


def test_matching_ends_at_a_jump_and_outside_the_bounds():
    reference = np.zeros((16, 16, 3), np.uint8)

    def steps(strength: float) -> np.ndarray:
        return np.full_like(reference, 10 if strength < 3 else 40)

    low, high = 20 * np.log10(255 / 40), 20 * np.log10(255 / 10)
    assert matching.match_psnr(steps, reference, low + 1, (1, 9)).psnr == pytest.approx(low)
    assert matching.match_psnr(steps, reference, 60, (1, 9)).psnr == pytest.approx(high)


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


def test_fidelity_measures_by_hand():
    reference = np.full((32, 32, 3), 100, np.uint8)
    shifted = reference + np.uint8(10)
    assert fidelity.psnr(reference, shifted) == pytest.approx(20 * np.log10(255 / 10))
    assert fidelity.psnr(reference, reference) == float("inf")
    c1 = (0.01 * 255) ** 2  # flat images: only the luminance term of SSIM is left
    expected = (2 * 100 * 110 + c1) / (100**2 + 110**2 + c1)
    assert fidelity.ssim(reference, shifted) == pytest.approx(expected)
    assert fidelity.gmsd(reference, reference) == 0


def test_wrong_input_is_one_clear_line(photos, tables, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(InputError, match=r"holds no kodim05\.png"):
        regenerate(photos, tables, out, scenes=(5,))
    with pytest.raises(InputError, match="scene 23: no crop"):
        regenerate(photos, tables, out, scenes=(23,))
    with pytest.raises(InputError, match="types are 1 to 24"):
        regenerate(photos, tables, out, types=(25,))
    with pytest.raises(InputError, match="no such file"):
        regenerate(photos, tmp_path, out)
    (tmp_path / published.TABLE).write_bytes(b"not gzip")
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


def test_a_photograph_of_another_size_is_refused(tmp_path):
    Image.new("RGB", (100, 100)).save(tmp_path / "kodim02.png")
    with pytest.raises(InputError, match="768 x 512"):
        crops.reference(tmp_path, 2)


def test_recipes_cover_all_types_and_reserved_scenes_are_marked():
    assert sorted(recipes.RECIPES) == list(range(1, 25))
    assert set(recipes.FAITHFUL) <= set(recipes.RECIPES)
    assert {1, 3, 4, 6, 8, 19, 21, 23} == crops.RESERVED


_GSN_DATA = os.environ.get("GSN_DATA")


@pytest.mark.skipif(not _GSN_DATA, reason="GSN_DATA does not name the folder with the data")
@pytest.mark.parametrize("scene", sorted(crops.OFFSETS))
def test_crops_and_jpeg_are_those_of_tid2013(scene):
    root = Path(_GSN_DATA)
    targets = published.read(root / "tables")
    reference = crops.reference(root / "photos" / "kodak", scene)
    match = make(reference, (scene, 10, 2), targets[scene, 10, 2])
    target = targets[scene, 10, 2]
    assert match.psnr == pytest.approx(target.psnr, abs=1e-5)
    assert fidelity.gmsd(reference, match.image) == pytest.approx(target.gmsd, abs=3e-5)
    assert fidelity.ssim(reference, match.image) == pytest.approx(target.ssim, abs=3e-4)
