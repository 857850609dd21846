"""Older versions of the models that ship can still be loaded, and score as they did."""

import json
import shutil

import numpy as np
import pytest
import ship_model
from click.testing import CliRunner
from PIL import Image

import gsn_jax
from gsn_jax import cli, scoring, shipped_models
from gsn_jax.errors import InputError

# What each kept version gives to `coarse(photo)`: it must not change, whatever becomes of the code.
KEPT_SCORES = {"gsn@0.1.0": 0.584569, "gsn@0.2.0": 0.820989, "gsn-b@0.1.0": 0.562865}


@pytest.fixture
def package(model_folder, tmp_path, monkeypatch):
    """A package with one model, version 1.2.3, and two older versions of it."""
    for name, version in (("tiny", "1.2.3"), ("tiny@0.9.0", "0.9.0"), ("tiny@0.10.0", "0.10.0")):
        shutil.copytree(model_folder, tmp_path / name)
        description = json.loads((tmp_path / name / "model.json").read_text())
        text = json.dumps({**description, "version": version})
        (tmp_path / name / "model.json").write_text(text)
    monkeypatch.setattr(shipped_models, "FOLDER", tmp_path)
    scoring._load_shipped.cache_clear()
    yield tmp_path
    scoring._load_shipped.cache_clear()


def coarse(photo):
    """A distortion that no library's version changes."""
    return photo // 32 * 32 + 16


def test_names_are_without_versions_and_versions_are_in_order(package):
    assert scoring.shipped() == ("tiny",)
    assert shipped_models.versions("tiny") == ("0.9.0", "0.10.0", "1.2.3")


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("tiny", "1.2.3"),
        ("tiny@0.9.0", "0.9.0"),
        ("tiny@0.10.0", "0.10.0"),
        ("tiny@1.2.3", "1.2.3"),
    ],
)
def test_a_version_is_loaded_by_its_name(package, name, version):
    for metric in (gsn_jax.load(name), scoring.resolve(name)):
        assert (metric.name, metric.version) == (name, version)


def test_the_newest_is_not_kept_twice(package):
    """A copy of the newest version beside it is neither listed again nor loaded."""
    shutil.copytree(package / "tiny", package / "tiny@1.2.3")
    assert shipped_models.versions("tiny") == ("0.9.0", "0.10.0", "1.2.3")
    assert shipped_models.folder("tiny@1.2.3") == package / "tiny"


@pytest.mark.parametrize("find", [gsn_jax.load, scoring.resolve])
def test_an_unknown_version_names_those_there_are(package, find):
    message = "^tiny@2: no such version of tiny ships; there are 0.9.0, 0.10.0, 1.2.3$"
    with pytest.raises(InputError, match=message):
        find("tiny@2")
    with pytest.raises(InputError, match=r"neither a model that ships|unknown metric"):
        find("other@1")


def test_kept_versions_are_the_package_s():
    kept = {path.name for path in shipped_models.FOLDER.iterdir() if "@" in path.name}
    assert kept == set(KEPT_SCORES)
    for name in kept:
        assert gsn_jax.load(name).version == name.partition("@")[2]


@pytest.mark.parametrize("name", KEPT_SCORES)
def test_kept_versions_score_as_they_did(name, photo):
    metric = gsn_jax.load(name)
    assert float(metric(photo, photo)) == 1.0
    np.testing.assert_allclose(metric(photo, coarse(photo)), KEPT_SCORES[name], atol=1e-4)


def test_the_command_takes_a_version(photo, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.fromarray(photo).save("a.png")
    Image.fromarray(coarse(photo)).save("b.png")
    result = CliRunner().invoke(cli.cli, ["score", "a.png", "b.png", "--metric", "gsn@0.1.0"])
    assert result.exit_code == 0, result.output
    assert "gsn@0.1.0" in result.output.splitlines()[0]
    result = CliRunner().invoke(cli.cli, ["score", "a.png", "b.png", "--metric", "gsn@7"])
    assert isinstance(result.exception, InputError)  # one line and exit code 2, see `cli.main`
    listed = CliRunner().invoke(cli.cli, ["score", "--list-metrics"]).output
    assert "gsn: " in listed
    assert "@" not in listed


@pytest.mark.parametrize("name", scoring.shipped())
def test_a_model_brings_its_card(name):
    """Where this fails, copy the document of `docs/` to the model's folder, as `card.md`."""
    assert gsn_jax.load(name).card == ship_model.card(name).read_text(encoding="utf-8")
    for version in shipped_models.versions(name):
        assert f": {name} {version}\n" in gsn_jax.load(f"{name}@{version}").card


def test_a_card_from_elsewhere_is_not_read(model_folder, tmp_path):
    folder = shutil.copytree(model_folder, tmp_path / "model")
    assert gsn_jax.load(folder).card == ""
    (folder / "card.md").write_text("# Mine\n")
    assert gsn_jax.load(folder).card == "# Mine\n"
    secret = tmp_path / "secret.md"
    (folder / "card.md").rename(secret)
    (folder / "card.md").symlink_to(secret)
    assert gsn_jax.load(folder).card == ""
