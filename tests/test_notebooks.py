"""The notebooks run from a clean kernel, in an empty folder."""

import re
from pathlib import Path

import pytest
from virtual_devices import xla_flags

from gsn_jax.models import shipped

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


def test_what_is_shown_is_of_the_model_that_ships():
    """Else run `scripts/run_notebooks.py`."""
    (notebook,) = (path for path in NOTEBOOKS if path.stem.startswith("03"))
    shown = [
        output.get("text", "")
        for cell in nbformat.read(notebook, 4).cells
        if cell.cell_type == "code"
        for output in cell.outputs
    ]
    assert f"gsn {shipped.versions('gsn')[-1]} range" in "".join(shown)


# What a test does less of, for the same lines of code to run.
FEWER = {
    "steps = 40": "steps = 4",
    "every = 10": "every = 4",
    "every = 20": "every = 4",
    "(8, 12, 16)": "(8,)",
    "fusion_width = 8": "fusion_width, config.model.attention = 8, (3,)",
    "--levels 1,3,5": "--levels 1,5 --workers 1",
    "jpeg,gaussian_blur,white_noise,contrast": "jpeg,gaussian_blur",
}


@pytest.mark.slow
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=name)
def test_a_notebook_runs(notebook, tmp_path, monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", xla_flags(1))
    run_notebooks = pytest.importorskip("run_notebooks", reason="needs the extra [docs]")
    content = nbformat.read(notebook, 4)
    for cell in content.cells:
        for much, less in FEWER.items():
            cell.source = cell.source.replace(much, less)
    shorter = tmp_path / notebook.name
    nbformat.write(content, shorter)
    (tmp_path / "empty").mkdir()
    done = run_notebooks.execute(shorter, tmp_path / "empty")  # raises with the cell and its error
    assert all(
        cell.execution_count for cell in done.cells if cell.cell_type == "code" and cell.source
    )
