"""NAME and NAME@VERSION, with a folder of models in the place of the package's own."""

import dataclasses
import json

import pytest

from gsn_jax.errors import InputError
from gsn_jax.models import shipped
from gsn_jax.models.folders import write_model
from gsn_jax.scoring import by_name


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The model "new" in two older versions, and "plain" in one."""
    folders = {
        "new": "0.10.0",
        "new@0.9.0": "0.9.0",
        "new@0.2.0": "0.2.0",
        "plain": "1.0.0",
    }
    for name, version in folders.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.json").write_text(json.dumps({"version": version}))
    (tmp_path / "no_model").mkdir()
    monkeypatch.setattr(shipped, "FOLDER", tmp_path)
    return tmp_path


def test_versions_are_in_order(folder):
    assert shipped.names() == ("new", "plain")
    assert shipped.versions("new") == ("0.2.0", "0.9.0", "0.10.0")
    assert shipped.versions("plain") == ("1.0.0",)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("new", "new"),
        ("new@0.10.0", "new"),
        ("new@0.9.0", "new@0.9.0"),
        ("plain@1.0.0", "plain"),
    ],
)
def test_a_version_has_its_folder(folder, name, found):
    assert shipped.is_shipped(name)
    assert shipped.folder(name) == folder / found


def test_a_version_that_does_not_ship_is_refused_with_those_that_do(folder):
    with pytest.raises(InputError, match=r"new@0\.3\.0: .* available: 0\.2\.0, 0\.9\.0, 0\.10\.0"):
        by_name.resolve("new@0.3.0")
    assert not shipped.is_shipped("other@1.0.0")
    with pytest.raises(InputError, match=r"unknown metric 'other@1\.0\.0'; known: new, plain, "):
        by_name.resolve("other@1.0.0")


def test_an_older_version_is_loaded_under_its_name(small_model, tmp_path, monkeypatch):
    write_model(tmp_path / "small", small_model)
    write_model(tmp_path / "small@1.0.0", dataclasses.replace(small_model, version="1.0.0"))
    monkeypatch.setattr(shipped, "FOLDER", tmp_path)
    old, new = by_name.resolve("small@1.0.0"), by_name.resolve("small")
    assert (old.name, old.version) == ("small@1.0.0", "1.0.0")
    assert (new.name, new.version) == ("small", "1.2.3")


@pytest.mark.parametrize("name", shipped.names())
def test_what_ships_has_checksums_of_everything_but_its_card(name):
    folder = shipped.folder(name)
    listed = {line.partition("  ")[2] for line in (folder / "SHA256SUMS").read_text().splitlines()}
    files = [path for path in folder.rglob("*") if path.is_file()]
    names = {path.relative_to(folder).as_posix() for path in files}
    assert listed == names - {"card.md", "SHA256SUMS"}
