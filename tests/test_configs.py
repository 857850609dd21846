"""Every configuration that ships is complete and describes a model that exists."""

from pathlib import Path

import pytest

from gsn_jax.models import registry
from gsn_jax.training.config import load_config
from gsn_jax.training.optimizers import make_optimizer
from gsn_jax.training.step import make_loss

FILES = sorted((Path(__file__).parents[1] / "configs").glob("[!_]*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_configuration(path):
    overrides = ["--config.data.train=x.csv"] if path.stem in ("default", "wadiqam") else []
    config = load_config(path.stem, overrides)
    registry.build(config.model)
    make_optimizer(config.optimizer, config.train.steps)
    make_loss(config.loss)
    assert f"--config {path.stem}" in path.read_text()
