"""The built wheel holds all that the commands need; run away from the checkout."""

import csv
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import skimage.data
from PIL import Image

CHECKOUT = Path(__file__).parents[1]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The wheel's content, unpacked."""
    folder = tmp_path_factory.mktemp("wheel")
    ignore = shutil.ignore_patterns(".*", "*.egg-info", "build", "dist", "runs", "__pycache__")
    shutil.copytree(CHECKOUT, folder / "source", ignore=ignore)
    command = [sys.executable, "-m", "build", "--wheel", "--outdir", folder, folder / "source"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    (wheel,) = folder.glob("*.whl")
    assert wheel.stat().st_size < 40e6
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def run(site, folder, *arguments):
    environment = {**os.environ, "PYTHONPATH": str(site)}
    return subprocess.run(
        [sys.executable, "-m", "gsn_jax", *arguments],
        cwd=folder, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_the_wheel_scores_with_its_own_model(site, tmp_path):
    image = Image.fromarray(skimage.data.astronaut()[:96, :96])
    image.save(tmp_path / "a.png")
    image.save(tmp_path / "b.jpg", quality=20)
    done = run(site, tmp_path, "score", "a.png", "b.jpg", "a.png")
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader(done.stdout.splitlines()))
    assert 0 < float(rows[0]["gsn"]) < 0.9
    assert float(rows[1]["gsn"]) >= 0.99


def test_the_wheel_holds_every_model_of_the_checkout(site):
    shipped = Path("gsn_jax", "shipped")
    kept = {path.name for path in (CHECKOUT / shipped).iterdir()}
    assert {path.name for path in (site / shipped).iterdir()} == kept


def test_the_wheel_knows_its_configurations(site, tmp_path):
    """By name: what is missing is the data, not the configuration."""
    done = run(site, tmp_path, "train", "--config", "default", "--workdir", "w")
    assert done.returncode == 2
    assert "gsn_jax/configs/default.py: data.train is empty" in done.stderr


def test_the_wheel_holds_the_template_of_the_report(site):
    templates = site / "gsn_jax" / "benchmark" / "report" / "templates"
    assert {"report.html", "report.css"} <= {file.name for file in templates.iterdir()}


def test_the_wheel_holds_the_weights_of_the_distortion_bank(site):
    assert (site / "data_pipelines" / "distortions" / "networks.npz").exists()


def test_the_wheel_brings_the_pytest_plugin(site, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--help"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(site)}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert "--gsn-update" in done.stdout
    (metadata,) = site.glob("gsn_jax-*.dist-info")
    assert "gsn_jax.testing.pytest_plugin" in (metadata / "entry_points.txt").read_text()
