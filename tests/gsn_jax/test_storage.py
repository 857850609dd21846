import importlib.util

import pytest

from gsn_jax import storage
from gsn_jax.errors import InputError


def test_folders_on_a_disk_are_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert storage.folder("runs/a") == tmp_path / "runs" / "a"
    assert not storage.is_url(tmp_path)


def test_other_storage_is_refused():
    with pytest.raises(
        InputError, match=r"^s3://b/run: runs and models are kept in folders and at"
    ):
        storage.folder("s3://b/run")


def test_the_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"^gs://b/run: .* pip install 'gsn_jax\[gcs\]'$"):
        storage.folder("gs://b/run")
