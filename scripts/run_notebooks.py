"""Runs notebooks from clean kernels and stores their outputs.

    python scripts/run_notebooks.py colab/*.ipynb

Run it when something that the notebooks show has changed, such as the version of a model. Each
notebook runs in an empty folder, with the package of this checkout. Needs the extra
`gsn_jax[docs]`.
"""

from __future__ import annotations

import argparse
import copy
import os
import sys
import tempfile
from pathlib import Path
from typing import Any
from unittest import mock

import nbclient
import nbformat
from tqdm import tqdm

from gsn_jax.storage import write_text

ROOT = Path(__file__).parents[1]
_SECONDS_PER_CELL = 600


def execute(notebook: Path, folder: Path) -> Any:
    """Runs the notebook in a folder and returns it with its outputs.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell failed; the message names it.
    """
    content = nbformat.read(notebook, 4)
    client = nbclient.NotebookClient(
        content,
        timeout=_SECONDS_PER_CELL,
        kernel_name="python3",
        record_timing=False,
        coalesce_streams=True,
        resources={"metadata": {"path": str(folder)}},
    )
    metadata = copy.deepcopy(content.metadata)
    with mock.patch.dict(os.environ, _environment()):
        client.execute()
    content.metadata = metadata  # without the version of the Python that ran it
    return content


def _environment() -> dict[str, str]:
    """The environment of a kernel, with this checkout first on the path."""
    added = {"PYTHONPATH": str(ROOT), "PATH": str(Path(sys.executable).parent)}
    return {
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "TTY_COMPATIBLE": "0",  # progress as lines, not as a moving bar
        **{
            name: os.pathsep.join(filter(None, [first, os.environ.get(name)]))
            for name, first in added.items()
        },
    }


def _is_progress(output: Any) -> bool:
    """Whether an output is a progress bar, log line or warning, which differ between machines."""
    return output.get("name") == "stderr" or "<pre" in output.get("data", {}).get("text/html", "")


def main() -> None:
    """Runs the notebooks named on the command line and writes them back."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("notebooks", nargs="+", type=Path)
    for notebook in tqdm(parser.parse_args().notebooks, unit="notebook"):
        with tempfile.TemporaryDirectory() as folder:
            content = execute(notebook, Path(folder))
        for cell in content.cells:
            if cell.cell_type == "code":
                cell.outputs = [output for output in cell.outputs if not _is_progress(output)]
        write_text(notebook, nbformat.writes(content) + "\n")


if __name__ == "__main__":
    main()
