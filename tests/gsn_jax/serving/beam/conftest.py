import pytest


@pytest.fixture
def remote_folder(tmp_path, monkeypatch):
    """The folder behind `gsntest://`."""
    from beam_folder import FolderFileSystem

    monkeypatch.setattr(FolderFileSystem, "folder", tmp_path)
    return tmp_path
