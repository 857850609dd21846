import importlib
import pkgutil
import subprocess
import sys

import pytest

import data_pipelines
from data_pipelines import builders
from data_pipelines.builders.base import PairBuilder


def test_import_is_cheap():
    code = (
        "import sys, data_pipelines, data_pipelines.tables, data_pipelines.splits;"
        "heavy = {'tensorflow_datasets', 'grain', 'jax', 'scipy', 'tensorflow'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_names():
    modules = [
        importlib.import_module(f"data_pipelines.builders.{module.name}")
        for module in pkgutil.iter_modules(builders.__path__)
    ]
    defined = {
        value.name
        for module in modules
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, PairBuilder) and value is not PairBuilder
    }
    assert set(data_pipelines.names()) == defined
    assert set(dir(data_pipelines)) >= {"load", "split", "kfold", "names"}
    with pytest.raises(AttributeError, match="nothing"):
        data_pipelines.nothing  # noqa: B018
