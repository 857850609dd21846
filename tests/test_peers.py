"""The worker of other implementations, where one of them is not set up."""

from pathlib import Path

import pytest


@pytest.fixture
def peers(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "benchmarks")
    monkeypatch.setattr("warnings.filterwarnings", lambda *_: None)  # the worker silences them
    return pytest.importorskip("peers")


def test_vmaf_is_skipped_without_its_models(peers, tmp_path, monkeypatch, capsys):
    (tmp_path / "vmaf").write_text("#!/bin/sh\n")
    (tmp_path / "vmaf").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("VMAF_MODELS", raising=False)
    found = []
    peers._unless_absent(peers._libvmaf, lambda *added: found.append(added[:2]))
    assert found == []
    assert capsys.readouterr().err == "skipped libvmaf: VMAF_MODELS is not set\n"
    monkeypatch.setenv("VMAF_MODELS", str(tmp_path))
    peers._unless_absent(peers._libvmaf, lambda *added: found.append(added[:2]))
    assert len(found) == 4
