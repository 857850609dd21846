import subprocess
import sys

import pytest

import data_pipelines


def test_import_is_cheap():
    code = (
        "import sys, data_pipelines, data_pipelines.tables, data_pipelines.splits;"
        "heavy = {'tensorflow_datasets', 'grain', 'jax', 'scipy', 'tensorflow'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_names():
    assert set(data_pipelines.names()) == {
        "tid2013",
        "kadid10k",
        "csiq",
        "live_iqa",
        "pipal",
        "iqa_table",
        "tid2013_regenerated",
    }
    assert set(dir(data_pipelines)) >= {"load", "split", "kfold", "names"}
    with pytest.raises(AttributeError, match="nothing"):
        data_pipelines.nothing  # noqa: B018
