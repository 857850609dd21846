"""`gsn score --hdr`; what it computes is tested with `gsn_jax.scoring.pu21`."""

import functools
import json
import os

import command_line
import hdr_files
import numpy as np
import pytest
from command_line import rows_of
from PIL import Image
from scipy import ndimage

import gsn_jax
from gsn_jax.scoring.journal import Journal
from gsn_jax.scoring.protocol import Protocol

HDR = "--hdr", "pu21", "--metric", "psnr"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Two pairs of folders with an image in PQ and a Radiance HDR file; the current folder."""
    rng = np.random.default_rng(5)
    plain = ndimage.gaussian_filter(rng.normal(size=(48, 64, 3)), (3, 3, 0))
    light = np.exp(3 + 40 * plain)
    for name, image in {
        "r": light,
        "d": light * np.exp(rng.normal(scale=0.1, size=light.shape)),
    }.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.png").write_bytes(hdr_files.png(hdr_files.to_pq(image), 16)[0])
        (tmp_path / name / "b.hdr").write_bytes(hdr_files.radiance(image))
        (tmp_path / name / "hlg.png").write_bytes(hdr_files.png(hdr_files.to_pq(image), 18)[0])
    Image.new("RGB", (64, 48)).save(tmp_path / "sdr.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


run = functools.partial(command_line.run, "score")


def test_folders(folder):
    out, err, code = run("--reference-dir", "r", "--distorted-dir", "d", *HDR, "--peak-nits", 1000)
    assert (code, err) == (0, "gsn: scored with hdr pu21, peak 1000 cd/m2\n")
    rules = Protocol(hdr="pu21", peak_nits=1000)
    rows = rows_of(out)
    assert [os.path.basename(row["distorted"]) for row in rows] == ["a.png", "b.hdr", "hlg.png"]
    for row in rows:
        want = float(gsn_jax.score(row["reference"], row["distorted"], "psnr", protocol=rules))
        assert float(row["psnr"]) == pytest.approx(want, abs=1e-5)


def test_tables_name_it_and_start_over_with_another(folder, monkeypatch):
    arguments = "r/a.png", "d/a.png", "d/a.png", *HDR, "--out", "s.csv"
    real = Journal.add

    def interrupted(self, index, scored):
        real(self, index, scored)
        raise KeyboardInterrupt

    for peak in ((), ("--peak-nits", 100)):
        monkeypatch.setattr(Journal, "add", interrupted)
        run(*arguments, *peak)
        assert (folder / ".s.csv.partial").exists()
        monkeypatch.setattr(Journal, "add", real)
        _, err, _ = run(*arguments, "--peak-nits", 200)
        assert "already scored" not in err
        said = json.loads((folder / "s.csv.json").read_text())["protocol"]
        assert (said["hdr"], said["peak_nits"]) == ("pu21", 200)
    monkeypatch.setattr(Journal, "add", interrupted)
    run(*arguments)
    monkeypatch.setattr(Journal, "add", real)
    assert "1 of 2 pairs were already scored" in run(*arguments)[1]


def test_tiles(folder):
    out, _, code = run("r/a.png", "d/a.png", *HDR, "--tiles", "2x2")
    assert code == 0
    assert len(rows_of(out)) == 5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("r/a.png", "d/a.png", "--metric", "psnr"), "a.png: is an HDR image (PQ); score it with"),
        (("r/b.hdr", "d/b.hdr", "--metric", "psnr"), "b.hdr: is an HDR image (Radiance HDR);"),
        (("r/a.png", "sdr.png", *HDR), "sdr.png: is not an HDR image"),
        (("sdr.png", "d/a.png", *HDR), "sdr.png: is not an HDR image"),
        (("r/hlg.png", "d/hlg.png", *HDR), "hlg.png: is HLG"),
        (("r/a.png", "d/a.png", "--hdr", "pu21"), "gsn: is not defined for HDR images"),
        (("r/a.png", "d/a.png", *HDR, "--luma", "full"), "leave out luma"),
        (("r/a.png", "d/a.png", *HDR, "--protocol", "sr-x4"), "--protocol sr-x4 is for SDR images"),
        (("r/a.png", "d/a.png", *HDR, "--align", "integer"), "align integer is not for HDR"),
        (("r/a.png", "d/a.png", *HDR, "--alpha", "black"), "alpha black is not for HDR"),
        (("r/a.png", "d/a.png", *HDR, "--maps", "m"), "--maps: not for HDR images"),
        (("r/a.png", "d/a.png", *HDR, "--peak-nits", "0.5"), "lie in [1, 10000] cd/m2, got 0.5"),
        (("r/a.png", "d/a.png", "--peak-nits", "500"), "peak_nits is for HDR images"),
        (("--pairs", "p.csv", "--runner", "beam", "--out", "o", *HDR), "--hdr: not with --runner"),
        (("r/b.hdr", "d/b.hdr", *HDR, "--max-pixels", "99"), "64 x 48 pixels is beyond the limit"),
    ],
)  # fmt: skip
def test_what_cannot_be_scored_is_one_line(folder, arguments, message):
    _, err, code = run(*arguments)
    assert code == 2
    (line,) = [line for line in err.splitlines() if not line.startswith("gsn: scored with")]
    assert message in line
    assert not list(folder.glob("*.csv"))
