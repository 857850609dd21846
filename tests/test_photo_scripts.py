"""Scripts that read a folder of photographs: other files in it, and folders without any."""

import csv
import sys

import parity_pairs
import pytest
import restoration_gains
import train_restoration_networks
from PIL import Image

from data_pipelines import distortions
from gsn_jax.images import load_image


@pytest.fixture
def folder(tmp_path, photo):
    """Two photographs, one of them a reserved scene, and a file that is no image."""
    (tmp_path / "photos").mkdir()
    for name in ("kodim05", "kodim23"):
        Image.fromarray(photo).save(tmp_path / "photos" / f"{name}.png")
    (tmp_path / "photos" / "README").write_text("not an image")
    return tmp_path / "photos"


def test_pairs_of_implementations(folder, tmp_path, monkeypatch):
    """An encoder at all its settings, also of fewer than five photographs."""
    codecs = {"jpeg": parity_pairs.CODECS["jpeg"]}
    monkeypatch.setattr(parity_pairs, "CODECS", codecs)
    monkeypatch.setattr(sys, "argv", ["parity_pairs", str(folder), str(tmp_path / "out")])
    parity_pairs.main()
    with (tmp_path / "out" / "pairs.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 5 + 8
    for row in rows:
        reference, distorted = (load_image(tmp_path / "out" / name) for name in row.values())
        assert reference.shape == distorted.shape
        assert (reference != distorted).any()


def test_gains_of_the_networks(folder, monkeypatch, capsys):
    monkeypatch.setattr(restoration_gains, "measure", lambda *_: (30.0, 32.0, 1.0, 0.5))
    monkeypatch.setattr(sys, "argv", ["restoration_gains", str(folder)])
    restoration_gains.main()
    rows = capsys.readouterr().out.splitlines()[2:]
    assert len(rows) == 4 * len(distortions.LEVELS)
    assert rows[0] == "| `denoising_network` | 1 | 30.00 | 32.00 | +2.00 | 1.00 | 0.50 |"


def test_photographs_to_train_on(folder):
    (path,) = train_restoration_networks.allowed([folder])
    assert path.name == "kodim05.png"


@pytest.mark.parametrize("script", [parity_pairs, restoration_gains, train_restoration_networks])
def test_a_folder_without_photographs_is_one_line(script, folder, tmp_path, monkeypatch, capsys):
    for photo in folder.glob("*.png"):
        photo.unlink()
    out = [str(tmp_path / "out")] if script is parity_pairs else []
    monkeypatch.setattr(sys, "argv", [script.__name__, str(folder), *out])
    with pytest.raises(SystemExit, match="2"):
        script.main()
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"{script.__name__}: {folder}: no photographs (")
    assert not (tmp_path / "out").exists()
