"""The notebooks run from a clean kernel, in an empty folder."""

import os
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "colab").glob("*.ipynb"))

nbformat = pytest.importorskip("nbformat", reason="needs the extra [docs]")


def name(path):
    return path.stem


def source(notebook, kind):
    return [cell.source for cell in nbformat.read(notebook, 4).cells if cell.cell_type == kind]


def test_there_are_five():
    assert [path.stem[:2] for path in NOTEBOOKS] == ["01", "02", "03", "04", "05"]


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=name)
def test_a_notebook_is_small_and_names_no_local_path(notebook):
    text = notebook.read_text(encoding="utf-8")
    assert len(text) < 400_000
    assert not re.search(r"/(home|root|tmp|work|Users|content)/", text)


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=name)
def test_the_badge_opens_this_notebook(notebook):
    url = re.search(r"repo_url: https://github.com/(\S+)", (ROOT / "mkdocs.yml").read_text())[1]
    expected = f"colab.research.google.com/github/{url}/blob/main/colab/{notebook.name}"
    assert expected in source(notebook, "markdown")[0]
    assert f"github.com/{url}" in source(notebook, "code")[0]


def _prepend(monkeypatch, variable, folder):
    monkeypatch.setenv(variable, os.pathsep.join(filter(None, [folder, os.environ.get(variable)])))


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=name)
def test_a_notebook_runs(notebook, tmp_path, monkeypatch):
    nbclient = pytest.importorskip("nbclient", reason="needs the extra [docs]")
    # A user's settings: one device, full optimisation.
    for variable in ("XLA_FLAGS", "JAX_COMPILATION_CACHE_DIR"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    _prepend(monkeypatch, "PYTHONPATH", str(ROOT))
    _prepend(monkeypatch, "PATH", str(Path(sys.executable).parent))
    content = nbformat.read(notebook, 4)
    client = nbclient.NotebookClient(
        content, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute()  # raises with the cell and its error
    assert all(
        cell.execution_count for cell in content.cells if cell.cell_type == "code" and cell.source
    )
